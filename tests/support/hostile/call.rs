//! Which operation of which service a request is about.

use aws_smithy_cbor::Decoder;
use aws_smithy_cbor::data::Type;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::http::Request;
use super::routes;

/// How many bytes of a body are remembered.
const LONGEST_TEXT: usize = 64 << 10;

/// In which words a service is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// JSON, with the operation in a header.
    Json,
    /// A form, answered in XML.
    Query,
    /// Method and path.
    Rest,
    /// CBOR, with the operation in the path.
    Cbor,
}

/// One call of an AWS operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The service as the signature names it: `sqs`, `monitoring`.
    pub service: String,
    /// `CreateQueue`. Where the service is spoken to in REST and no reference knows method and path, these two:
    /// `POST /unheard/of`.
    pub operation: String,
    /// Without the query behind it.
    pub path: String,
    /// The body, or the beginning of a very long one, as far as it is text.
    pub body: String,
    /// The parameters that stand in the body, but for a function's code. Of CBOR only what is text. Null where the body is
    /// nothing of this.
    pub fields: Value,
    /// How it was asked.
    pub protocol: Protocol,
    /// Of S3: the account that has to own the bucket, where the request says so.
    pub bucket_owner: Option<String>,
}

impl Call {
    /// Whether it is this operation: `is("sqs", "CreateQueue")`.
    pub fn is(&self, service: &str, operation: &str) -> bool {
        self.service == service && self.operation == operation
    }

    /// Whether it may change something, judged without any knowledge of fraudctl: by the operation's verb, else by the
    /// method.
    pub fn changes(&self) -> bool {
        let reads = ["Get", "List", "Describe", "BatchGet", "Lookup", "Head", "GET ", "HEAD "];
        !reads.iter().any(|verb| self.operation.starts_with(verb))
    }

    /// Whether service and operation are known.
    pub fn is_recognised(&self) -> bool {
        !self.service.is_empty() && !self.operation.is_empty() && !self.operation.contains(' ')
    }

    /// A parameter of the body that is text; else an empty text.
    pub fn field(&self, name: &str) -> &str {
        self.fields[name].as_str().unwrap_or_default()
    }

    /// What changes of which AWS refuses or loses when they are made at once: `restapis/ID`, `usageplans/ID`,
    /// `functions/NAME`, `functions/NAME/policy`.
    pub fn subject(&self) -> Option<String> {
        let path = percent_decode_str(&self.path).decode_utf8_lossy();
        let at = ["restapis/", "usageplans/", "functions/", "function:"]
            .iter()
            .find_map(|kind| path.find(kind))?;
        let mut parts = path[at..].split(['/', ':']);
        let (kind, name) = (parts.next()?, parts.next()?);
        let kind = if kind == "function" { "functions" } else { kind };
        let policy = ["AddPermission", "RemovePermission"].contains(&self.operation.as_str());
        let part = if policy { "/policy" } else { "" };
        Some(format!("{kind}/{name}{part}"))
    }

    pub(super) fn of(request: &Request) -> Self {
        // What is longer is a function's code.
        let body = &request.body[..request.body.len().min(LONGEST_TEXT)];
        let body = String::from_utf8_lossy(body).into_owned();
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        // AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, ...
        let service = request
            .header("authorization")
            .and_then(|text| text.split('/').nth(3))
            .unwrap_or_default();
        // The four ways in which AWS's services are told what to do.
        let (protocol, operation) = if let Some(target) = request.header("x-amz-target") {
            (Protocol::Json, target.rsplit('.').next().unwrap_or_default().to_owned())
        } else if let Some((_, operation)) = path.split_once("/operation/") {
            (Protocol::Cbor, operation.to_owned())
        } else if let Some(action) = body.split('&').find_map(|pair| pair.strip_prefix("Action=")) {
            (Protocol::Query, action.to_owned())
        } else {
            let known = routes::operation(service, &request.method, path, query);
            let operation = known.map_or_else(|| format!("{} {path}", request.method), str::to_owned);
            (Protocol::Rest, operation)
        };
        let fields = match protocol {
            Protocol::Query => Value::Object(
                form_urlencoded::parse(&request.body)
                    .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
                    .collect::<Map<_, _>>(),
            ),
            Protocol::Json | Protocol::Rest => without_code(serde_json::from_slice(&request.body).unwrap_or_default()),
            Protocol::Cbor => texts(&mut Decoder::new(&request.body)).unwrap_or_default(),
        };
        Self {
            service: service.to_owned(),
            operation,
            path: path.to_owned(),
            body,
            fields,
            protocol,
            bucket_owner: request.header("x-amz-expected-bucket-owner").map(str::to_owned),
        }
    }
}

fn without_code(mut fields: Value) -> Value {
    for field in ["Code", "ZipFile"] {
        if let Some(fields) = fields.as_object_mut() {
            fields.remove(field);
        }
    }
    fields
}

/// The next element of CBOR, with null for whatever is no text, no list and no map.
fn texts(from: &mut Decoder<'_>) -> Option<Value> {
    /// Is there one more? Without a number of elements, until the end is marked.
    fn more(from: &mut Decoder<'_>, left: &mut Option<u64>) -> Option<bool> {
        match left {
            Some(left) => {
                let more = *left > 0;
                *left = left.saturating_sub(1);
                Some(more)
            }
            None if from.datatype().ok()? == Type::Break => from.skip().ok().map(|()| false),
            None => Some(true),
        }
    }
    match from.datatype().ok()? {
        Type::String | Type::StringIndef => Some(Value::String(from.str().ok()?.into_owned())),
        Type::Array | Type::ArrayIndef => {
            let (mut left, mut items) = (from.list().ok()?, Vec::new());
            while more(from, &mut left)? {
                items.push(texts(from)?);
            }
            Some(Value::Array(items))
        }
        Type::Map | Type::MapIndef => {
            let (mut left, mut fields) = (from.map().ok()?, Map::new());
            while more(from, &mut left)? {
                let name = from.str().ok()?.into_owned();
                fields.insert(name, texts(from)?);
            }
            Some(Value::Object(fields))
        }
        _ => from.skip().ok().map(|()| Value::Null),
    }
}
