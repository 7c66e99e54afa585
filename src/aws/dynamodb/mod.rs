//! Amazon DynamoDB.

mod shape;

pub mod table;
