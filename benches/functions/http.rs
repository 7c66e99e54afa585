//! As much of an HTTP/1.1 server as the two sides of a Lambda function need: requests of known or chunked length, over
//! connections that stay open, a thread for each.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A request, read to its end.
pub struct Request {
    /// When its last byte was here.
    pub received: Instant,
    pub method: String,
    pub path: String,
    /// AWS's JSON protocols name the operation in a header.
    pub target: Option<String>,
    pub body: Vec<u8>,
}

/// What is answered.
pub struct Response {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Response {
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type: "application/json",
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// In one piece, so that it leaves in one packet where it fits.
    fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!(
            "HTTP/1.1 {} OK\r\ncontent-type: {}\r\ncontent-length: {}\r\n",
            self.status,
            self.content_type,
            self.body.len()
        );
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(&self.body);
        text.into_bytes()
    }
}

/// Answers requests; `None` closes the connection.
pub trait Answers: Send + Sync + 'static {
    fn answer(&self, request: Request) -> Option<Response>;
}

/// A server on a free port of this machine. Ends with its handle; connections end with their clients.
pub struct Server {
    pub address: SocketAddr,
    over: Arc<AtomicBool>,
}

impl Server {
    pub fn start(answers: Arc<impl Answers>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the port's number");
        let over = Arc::new(AtomicBool::new(false));
        let ended = over.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::Acquire) {
                    return;
                }
                let answers = answers.clone();
                // A client that goes away in the middle is one that was ended.
                thread::spawn(move || serve(stream, &*answers).unwrap_or_default());
            }
        });
        Self { address, over }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // Wakes the listener.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

fn serve(stream: TcpStream, answers: &impl Answers) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(request) = read(&mut reader)? {
        let Some(response) = answers.answer(request) else {
            break;
        };
        writer.write_all(&response.to_bytes())?;
    }
    Ok(())
}

/// The next request; `None` when the client is done.
fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let first = line(reader)?;
    let mut words = first.split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Ok(None);
    };
    let (mut length, mut chunked, mut target) = (0, false, None);
    loop {
        let header = line(reader)?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().map_err(io::Error::other)?,
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            "x-amz-target" => target = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if chunked {
        body = chunks(reader)?;
    }
    Ok(Some(Request {
        received: Instant::now(),
        method: method.to_owned(),
        path: path.to_owned(),
        target,
        body,
    }))
}

fn chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = u64::from_str_radix(&line(reader)?, 16).map_err(io::Error::other)?;
        reader.by_ref().take(size).read_to_end(&mut body)?;
        line(reader)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    line.truncate(line.trim_end().len());
    Ok(line)
}
