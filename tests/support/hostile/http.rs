//! Requests and answers of HTTP, as far as AWS's clients and emulators use it.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

thread_local! {
    /// The connection on which this thread's last request was passed on, as long as it may be used again.
    static OPEN: RefCell<Option<Upstream>> = const { RefCell::new(None) };
}

/// A connection is not used again when it was idle for so long: the emulators close theirs after 5 seconds, and what was
/// sent to one that is being closed could not be sent again, since nobody would know whether it took effect.
const IDLE: Duration = Duration::from_secs(2);

/// A connection to an emulator.
struct Upstream {
    address: String,
    reader: BufReader<TcpStream>,
    idle_since: Instant,
}

impl Upstream {
    fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            address: address.to_owned(),
            reader: BufReader::new(stream),
            idle_since: Instant::now(),
        })
    }

    fn is_fit(&self, address: &str) -> bool {
        self.address == address && self.idle_since.elapsed() < IDLE
    }
}

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

    /// The answer of whoever listens at `address`.
    pub(super) fn pass_on(&self, address: &str) -> io::Result<Answer> {
        let open = OPEN.take().filter(|open| open.is_fit(address));
        let mut upstream = open.map_or_else(|| Upstream::connect(address), Ok)?;
        let mut message = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        // The body is sent with its head, whatever was asked for before.
        let between_two = ["connection", "expect"];
        for (name, value) in &self.headers {
            if !between_two.iter().any(|header| name.eq_ignore_ascii_case(header)) {
                message.extend(format!("{name}: {value}\r\n").bytes());
            }
        }
        message.extend(b"\r\n");
        message.extend(&self.body);
        upstream.reader.get_mut().write_all(&message)?;
        let (answer, stays_open) = Answer::read(&mut upstream.reader, self.method == "HEAD")?;
        if stays_open {
            upstream.idle_since = Instant::now();
            OPEN.set(Some(upstream));
        }
        Ok(answer)
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

    /// To HEAD there is no body, whatever the headers say of the one that there would be. Says too whether the connection
    /// can be used again.
    fn read(reader: &mut impl BufRead, to_head: bool) -> io::Result<(Self, bool)> {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let status = line.split_whitespace().nth(1).and_then(|status| status.parse().ok());
        let status: u16 = status.ok_or_else(invalid)?;
        let mut headers = read_headers(reader)?;
        let is = |name, value| header(&headers, name).is_some_and(|given: &str| given.eq_ignore_ascii_case(value));
        let mut stays_open = !is("connection", "close");
        let mut body = Vec::new();
        if to_head || status == 204 || status == 304 {
            // The headers are all.
        } else if is("transfer-encoding", "chunked") {
            loop {
                let mut line = String::new();
                reader.read_line(&mut line)?;
                let chunk = read_exactly(reader, line.trim(), 16)?;
                if chunk.is_empty() {
                    read_headers(reader)?;
                    break;
                }
                body.extend(chunk);
                reader.read_line(&mut line)?;
            }
        } else if let Some(length) = header(&headers, "content-length") {
            body = read_exactly(reader, length, 10)?;
        } else {
            stays_open = false;
            reader.read_to_end(&mut body)?;
        }
        // These are about the connection to the emulator, and about a body that may be changed.
        let ours = ["connection", "content-length", "transfer-encoding"];
        headers.retain(|(name, _)| !ours.iter().any(|our| name.eq_ignore_ascii_case(our)));
        let answer = Self { status, headers, body };
        Ok((answer, stays_open))
    }

    /// As it is sent.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Answer\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.status != 204 {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
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
