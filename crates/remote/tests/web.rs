//! Servers that redirect, that nobody trusts, or whose lists do not end.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

use lifeboat_remote::http::{Client, Question};
use lifeboat_remote::{Address, Credentials, Fault, Kind, Patience};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Long enough that a test which waits it out is seen to hang.
const LONG: Duration = Duration::from_secs(600);

fn patience() -> Patience {
    Patience::with("the server", Arc::new(|_| ()), Duration::from_secs(20), LONG)
}

/// A request: its first line, and all its headers in small letters.
type Asked = (String, String);

/// A server that answers each request with what `answer` makes of its first line; gives its address and what it was asked.
fn server(answer: impl Fn(&str) -> String + Send + 'static) -> (String, Arc<Mutex<Vec<Asked>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
    let seen = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let Some(Ok(first)) = lines.next() else { continue };
            let headers: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let reply = answer(&first);
            seen.lock().unwrap().push((first, headers.join("\n").to_ascii_lowercase()));
            let _ = stream.write_all(reply.as_bytes());
        }
    });
    (address, asked)
}

fn reply(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

fn get(url: &str, secret: bool) -> Result<Vec<u8>, Fault> {
    let mut question = Question::new("GET", url, "READ", url);
    if secret {
        question = question.header("Authorization", "Basic dTpw");
    }
    Client::new(patience()).ask(&question).map(|answer| answer.body)
}

#[test]
fn a_server_may_send_us_around_on_itself_with_what_we_told_it() {
    let (address, asked) = server(|first| match first.split(' ').nth(1) {
        Some("/old/x") => reply("301 Moved", "Location: ../new/x?a=b\r\n", ""),
        Some("/old/../new/x?a=b") => reply("307 Temporary", "Location: /last\r\n", ""),
        Some("/last") => reply("200 OK", "", "here"),
        _ => reply("404 Not Found", "", ""),
    });
    assert_eq!(get(&format!("http://{address}/old/x"), true).unwrap(), b"here");
    assert!(asked.lock().unwrap().iter().all(|(_, headers)| headers.contains("authorization: basic")));
}

#[test]
fn credentials_go_to_no_other_server() {
    let (other, asked_other) = server(|_| reply("200 OK", "", "other"));
    let to = format!("http://{other}/x");
    let (address, _) = server(move |_| reply("302 Found", &format!("Location: {to}\r\n"), ""));
    let error = get(&format!("http://{address}/x"), true).unwrap_err().to_string();
    assert!(error.contains("credentials") && error.contains(&other), "{error}");
    assert!(asked_other.lock().unwrap().is_empty());
    // Without credentials and without a proof of who is asked, a mirror is as good.
    assert_eq!(get(&format!("http://{address}/x"), false).unwrap(), b"other");
}

#[test]
fn a_circle_of_redirects_ends() {
    let (address, asked) = server(|_| reply("302 Found", "Location: /x\r\n", ""));
    let error = get(&format!("http://{address}/x"), false).unwrap_err().to_string();
    assert!(error.contains("more than 5 times"), "{error}");
    assert_eq!(asked.lock().unwrap().len(), 6);
}

fn s3(address: &str) -> Arc<dyn lifeboat_remote::Files> {
    let values = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_SESSION_TOKEN", "token")];
    let credentials = Credentials::new(values.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let address = Address::parse(&format!("s3://bucket/x?endpoint=http://{address}")).unwrap();
    lifeboat_remote::store(&address, &credentials, patience()).unwrap()
}

#[test]
fn a_bucket_elsewhere_names_its_region() {
    for (status, headers, body) in [
        ("301 Moved Permanently", "", "<Error><Code>PermanentRedirect</Code><Region>eu-central-1</Region></Error>"),
        (
            "400 Bad Request",
            "",
            "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-central-1</Region></Error>",
        ),
        ("403 Forbidden", "x-amz-bucket-region: eu-central-1\r\n", ""),
        ("307 Temporary Redirect", "x-amz-bucket-region: eu-central-1\r\nLocation: http://127.0.0.1:1/\r\n", ""),
    ] {
        let (address, asked) = server(move |_| reply(status, headers, body));
        let error = s3(&address).read(Kind::Config, "").unwrap_err();
        assert!(matches!(&error, Fault::Final(text) if text.contains("try ?region=eu-central-1")), "{status}: {error}");
        assert_eq!(asked.lock().unwrap().len(), 1, "{status}");
    }
    let (address, _) = server(|_| reply("400 Bad Request", "", "<Region>\u{1b}[2J</Region>"));
    let error = s3(&address).read(Kind::Config, "").unwrap_err().to_string();
    assert!(!error.contains("try ?region") && !error.contains('\u{1b}'), "{error}");
}

#[test]
fn a_list_that_comes_back_to_an_earlier_part_is_a_fault() {
    let page = |next: &str| {
        let body = format!(
            "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>x/keys/k</Key><Size>1</Size></Contents>\
             <NextContinuationToken>{next}</NextContinuationToken></ListBucketResult>"
        );
        reply("200 OK", "", &body)
    };
    // The same again at once, and after a detour.
    for tokens in [["a", "a", "a"], ["b", "c", "b"]] {
        let count = Mutex::new(0);
        let (address, asked) = server(move |_| {
            let mut count = count.lock().unwrap();
            *count += 1;
            page(tokens[(*count - 1) % 3])
        });
        let error = s3(&address).list(Kind::Key).unwrap_err();
        assert!(matches!(&error, Fault::Final(text) if text.contains("never ends")), "{error}");
        assert!(asked.lock().unwrap().len() <= 3);
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A TLS server with a certificate that nobody signed; gives its port.
fn tls_server(folder: &Path) -> (Running, u16) {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "k",
            "-out",
            "c",
        ])
        .args(["-days", "2", "-subj", "/CN=localhost"])
        .current_dir(folder)
        .stderr(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let script = "import http.server,ssl\n\
        s=http.server.ThreadingHTTPServer(('127.0.0.1',0),http.server.SimpleHTTPRequestHandler)\n\
        c=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER);c.load_cert_chain('c','k')\n\
        s.socket=c.wrap_socket(s.socket,server_side=True)\n\
        print(s.server_address[1],flush=True);s.serve_forever()";
    let child = Command::new("python3")
        .args(["-c", script])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut running = Running(child.unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (running, line.trim().parse().unwrap())
}

#[test]
fn a_certificate_of_nobody_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (_running, port) = tls_server(folder.path());
    // With a patience of ten minutes this would not end.
    let error = get(&format!("https://localhost:{port}/c"), true).unwrap_err();
    assert!(matches!(&error, Fault::Final(text) if text.contains("certificate")), "{error}");
}

#[test]
fn a_server_without_tls_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    assert!(matches!(get(&format!("https://127.0.0.1:{port}/"), false).unwrap_err(), Fault::Final(_)));
}

#[test]
fn answers_that_no_such_file_can_have_are_not_taken_in() {
    // One that says so, and one that only goes on and on.
    let giant = |length: &str, bytes: usize| {
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{length}\r\n{}", "x".repeat(bytes))
    };
    for (length, bytes) in [("Content-Length: 1152921504606846976\r\n", 1 << 20), ("", 1 << 20)] {
        for kind in [Kind::Config, Kind::Key, Kind::Lock] {
            let (address, _) = server(move |_| giant(length, bytes));
            let error = s3(&address).read(kind, "ab").unwrap_err();
            assert!(matches!(&error, Fault::Impossible(text) if text.contains("is larger than")), "{kind:?}: {error}");
        }
    }
    let (address, _) = server(|_| reply("200 OK", "", "small"));
    assert_eq!(s3(&address).read(Kind::Config, "").unwrap(), b"small");
}

#[test]
fn a_webhook_gets_its_document_once_and_nothing_of_its_address_is_told() {
    let json = br#"{"text":"lifeboat-backup failed"}"#;
    let secret = |fault: Fault| {
        let text = fault.to_string();
        assert!(!text.contains("T0KEN"), "{text}");
        text
    };
    let (address, asked) = server(|_| reply("200 OK", "", "ok"));
    lifeboat_remote::webhook::post(&format!("http://{address}/T0KEN"), json.to_vec(), Duration::from_secs(5)).unwrap();
    let (first, headers) = asked.lock().unwrap()[0].clone();
    assert_eq!(first, "POST /T0KEN HTTP/1.1");
    assert!(
        headers.contains("content-type: application/json")
            && headers.contains(&format!("content-length: {}", json.len()))
    );
    // What is sent goes nowhere else.
    let (address, _) = server(|_| reply("307 Away", "Location: http://127.0.0.1:1/x\r\n", ""));
    let url = format!("http://{address}/T0KEN");
    let text = secret(lifeboat_remote::webhook::post(&url, json.to_vec(), Duration::from_secs(5)).unwrap_err());
    assert!(text.contains("redirects"), "{text}");
    let (address, asked) = server(|_| reply("403 Forbidden", "", "no"));
    let url = format!("http://{address}/T0KEN");
    secret(lifeboat_remote::webhook::post(&url, json.to_vec(), Duration::from_secs(5)).unwrap_err());
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[test]
fn a_webhook_that_never_ends_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n");
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let began = std::time::Instant::now();
    let fault =
        lifeboat_remote::webhook::post(&format!("http://{address}/"), vec![], Duration::from_secs(2)).unwrap_err();
    assert!(fault.to_string().contains("within 2 s") && began.elapsed() < Duration::from_secs(4), "{fault}");
}

#[test]
fn limits_slow_both_directions_and_the_length_is_still_named_beforehand() {
    use lifeboat_remote::Limits;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut headers = String::new();
        while !headers.ends_with("\r\n\r\n") {
            reader.read_line(&mut headers).unwrap();
        }
        let mut body = vec![0; 100_000];
        reader.read_exact(&mut body).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n").unwrap();
        stream.write_all(&body).unwrap();
        headers.to_ascii_lowercase()
    });
    let limits = Arc::new(Limits::new(Some(200_000), Some(200_000)));
    let client = Client::new(patience().limited(limits));
    let body: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
    let began = std::time::Instant::now();
    let url = format!("http://{address}/x");
    let answer = client.ask(&Question::new("PUT", &url, "WRITE", &url).body(&body)).unwrap();
    let passed = began.elapsed().as_secs_f64();
    assert!(answer.body == body && passed > 0.8, "{passed}");
    let headers = serving.join().unwrap();
    assert!(headers.contains("content-length: 100000") && !headers.contains("chunked"), "{headers}");
}
