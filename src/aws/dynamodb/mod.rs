//! Amazon DynamoDB.

mod shape;
mod upkeep;

pub mod table;
