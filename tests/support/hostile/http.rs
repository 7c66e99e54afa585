//! Requests and answers of HTTP, as far as AWS's clients and emulators use it.

use std::io::{self, BufRead, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

/// What was asked.
pub(super) struct Request {
    pub(super) method: String,
    /// With the query behind it.
    pub(super) path: String,
    /// In the order in which they came, as they came.
    headers: Headers,
    pub(super) body: Vec<u8>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Headers,
    pub(super) body: Vec<u8>,
}

type Headers = Vec<(String, String)>;

impl Request {
    /// None when the caller hangs up without asking anything.
    pub(super) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Err(invalid());
        };
        let headers = read_headers(reader)?;
        // The AWS SDK always tells the length.
        let body = read_exactly(reader, header(&headers, "content-length").unwrap_or("0"), 10)?;
        Ok(Some(Self {
            method,
            path,
            headers,
            body,
        }))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The answer of whoever listens at `upstream`.
    pub(super) fn pass_on(&self, upstream: &str) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(upstream)?;
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            if !name.eq_ignore_ascii_case("connection") {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        // The end of the answer is the end of the connection.
        head.push_str("connection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(&self.body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Answer::read(&mut answer.as_slice(), self.method == "HEAD")
    }
}

impl Answer {
    /// An answer of the test's own.
    pub(super) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: body.into(),
        }
    }

    /// With one more header.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Changes the body, which is JSON; one that is none stays as it is.
    pub(super) fn edit(&mut self, edit: impl FnOnce(&mut Value)) {
        if let Ok(mut body) = serde_json::from_slice(&self.body) {
            edit(&mut body);
            self.body = body.to_string().into_bytes();
            // It was about the old body.
            self.headers
                .retain(|(name, _)| !name.eq_ignore_ascii_case("x-amz-crc32"));
        }
    }

    /// To HEAD there is no body, whatever the headers say of the one that there would be.
    fn read(reader: &mut impl BufRead, to_head: bool) -> io::Result<Self> {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let status = line.split_whitespace().nth(1).and_then(|status| status.parse().ok());
        let mut headers = read_headers(reader)?;
        let mut body = Vec::new();
        if to_head {
            // The headers are all.
        } else if header(&headers, "transfer-encoding").is_some_and(|how| how.eq_ignore_ascii_case("chunked")) {
            loop {
                let mut line = String::new();
                reader.read_line(&mut line)?;
                let chunk = read_exactly(reader, line.trim(), 16)?;
                if chunk.is_empty() {
                    break;
                }
                body.extend(chunk);
                reader.read_line(&mut line)?;
            }
        } else {
            reader.read_to_end(&mut body)?;
        }
        // These are about the connection to the emulator, and about a body that may be changed.
        let ours = ["connection", "content-length", "transfer-encoding"];
        headers.retain(|(name, _)| !ours.iter().any(|our| name.eq_ignore_ascii_case(our)));
        Ok(Self {
            status: status.ok_or_else(invalid)?,
            headers,
            body,
        })
    }

    /// As it is sent; then the connection ends.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Answer\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.status != 204 {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("connection: close\r\n\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend(&self.body);
        bytes
    }
}

fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let mut headers = headers.iter();
    headers
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

fn read_headers(reader: &mut impl BufRead) -> io::Result<Headers> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line.split_once(':').ok_or_else(invalid)?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn read_exactly(reader: &mut impl Read, length: &str, radix: u32) -> io::Result<Vec<u8>> {
    let length = usize::from_str_radix(length, radix).map_err(|_| invalid())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(body)
}

fn invalid() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}
