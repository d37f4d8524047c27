//! Clients that send what no client should, over real connections: every one is answered or cut off, and the service goes on.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use watcher_api::{ApiOptions, Authentication, ConnectionLimits};

use crate::contract;
use crate::service::{Answer, Service};

const BODY_LIMIT: usize = 4096;
const CONNECTIONS: usize = 8;
/// No answer takes longer, but for a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service that listens.
struct Listening {
    service: Service,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Listening {
    async fn new() -> Self {
        let options =
            ApiOptions { body_limit: BODY_LIMIT, body_timeout: Duration::from_millis(200), ..ApiOptions::default() };
        let service = Service::with(Authentication::None, options).await;
        service.add_two_goals().await;
        let limits = ConnectionLimits {
            connections: CONNECTIONS,
            head_timeout: Duration::from_millis(500),
            head_bytes: 16 << 10,
            write_timeout: Duration::from_millis(500),
            drain_timeout: Duration::from_millis(500),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async { drop(stopped.await) };
        let serving = tokio::spawn(watcher_api::serve(listener, service.router.clone(), limits, until));
        Self { service, address, stop: Some(stop), serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes, says that there are no more, and reads whatever comes.
    async fn exchange(&self, bytes: &[u8]) -> Vec<Answer> {
        let mut stream = self.connect().await;
        // The service may answer and close before it has read everything.
        let _ = stream.write_all(bytes).await;
        read_all(&mut stream).await
    }

    /// Sends one request and reads its answer.
    async fn one(&self, bytes: &[u8]) -> Answer {
        let mut answers = self.exchange(bytes).await;
        assert_eq!(answers.len(), 1, "{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(200)]));
        answers.remove(0)
    }

    /// Whether somebody else is answered.
    async fn still_serves(&self) {
        let answer = self.one(b"GET /v1/goals HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert_eq!(answer.status, 200);
    }

    async fn end(mut self) {
        self.still_serves().await;
        self.stop.take().unwrap().send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.serving).await.expect("the service ends").unwrap();
        drop(self.service);
    }
}

/// All answers on a connection until the service closes it.
async fn read_all(stream: &mut TcpStream) -> Vec<Answer> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await;
        match read.expect("the service answers or hangs up") {
            Ok(0) | Err(_) => break,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
    answers(&bytes)
}

/// Takes answers apart; all of them have a `content-length`, or no body.
fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = axum::http::HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            headers.append(axum::http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        let length = headers.get("content-length").map_or(0, |length| length.to_str().unwrap().parse().unwrap());
        let body = bytes[end + 4..end + 4 + length].to_vec();
        bytes = &bytes[end + 4 + length..];
        found.push(Answer { status, headers, body: String::from_utf8(body).unwrap() });
    }
    found
}

fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn get(target: &[u8], headers: &[u8]) -> Vec<u8> {
    [b"GET ", target, b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n", headers, b"\r\n"].concat()
}

#[tokio::test]
async fn bodies_at_the_limit_are_read_and_larger_ones_are_not() {
    let listening = Listening::new().await;
    let body = |size: usize| {
        let body = r#"{"audit_type":"ONESHOT","goal":"dummy"}"#;
        format!("{body}{}", " ".repeat(size - body.len()))
    };
    for (size, status) in [(BODY_LIMIT, 201), (BODY_LIMIT + 1, 413), (BODY_LIMIT * 1000, 413)] {
        let name = format!(r#"{{"name":"n{size}","#);
        let body = body(size - name.len() + 1).replacen('{', &name, 1);
        assert_eq!(body.len(), size);
        let answer = listening.one(&post("/v1/audits", body.as_bytes())).await;
        contract::check("POST", "/v1/audits", &answer);
        assert_eq!(answer.status, status, "{size}: {}", answer.body);
        // The same, without saying beforehand how long it is.
        let head = "POST /v1/audits HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        let body = body.replacen(&format!("n{size}"), &format!("c{size}"), 1);
        let chunked = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        assert_eq!(listening.one(chunked.as_bytes()).await.status, status, "{size}");
    }
    // A length beyond any size, of which nothing comes.
    let liar =
        "POST /v1/audits HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 18446744073709551615\r\n\r\n";
    let answer = listening.one(liar.as_bytes()).await;
    assert!([400, 413, 431].contains(&answer.status.as_u16()), "{}", answer.status);
    listening.end().await;
}

#[tokio::test]
async fn bodies_that_are_no_json_are_bad_requests() {
    let listening = Listening::new().await;
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(1500), close.repeat(1500));
    let mut bodies: Vec<Vec<u8>> =
        ["{", "[", "nul", "{\"a\":}", "{'a':1}", "\"\\ud800\"", "1e999", "-", "\u{feff}{}", "{} {}"]
            .iter()
            .map(|body| body.as_bytes().to_vec())
            .collect();
    bodies.push(deep("[", "]").into_bytes());
    bodies.push("{\"a\":".repeat(800).into_bytes());
    bodies.push(format!("{{\"audit_type\": 1{}}}", "0".repeat(4000)).into_bytes());
    bodies.push(b"{\"name\": \"\xff\xfe\"}".to_vec());
    bodies.push(b"\x00".to_vec());
    bodies.push(br#"{"audit_type":"ONESHOT","goal":"dummy","name":"\u0000"}"#.to_vec());
    bodies.push(br#"{"audit_type":"ONESHOT","goal":"dummy","parameters":{"a":1e400}}"#.to_vec());
    for path in ["/v1/audits", "/v1/audit_templates", "/v1/webhooks/x"] {
        for body in &bodies {
            let answer = listening.one(&post(path, body)).await;
            contract::check("POST", path, &answer);
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert_eq!(answer.status, 400, "{path} {shown}: {}", answer.body);
        }
    }
    listening.end().await;
}

#[tokio::test]
async fn ten_thousand_levels_and_numbers_without_end_are_bad_requests() {
    // Under the usual limit of a body, which lets them through to the parser.
    let service = Service::new().await;
    service.add_two_goals().await;
    let json = [("content-type", "application/json")];
    let (arrays, objects) =
        ("[".repeat(10_000) + &"]".repeat(10_000), "{\"a\":".repeat(10_000) + "1" + &"}".repeat(10_000));
    let digits = "9".repeat(500_000);
    for body in [arrays.clone(), objects.clone(), digits.clone(), format!("{{\"audit_type\": {digits}}}")] {
        for (method, path) in [("POST", "/v1/audits"), ("PATCH", "/v1/audits/x"), ("POST", "/v1/webhooks/x")] {
            let answer = service.send(method, path, &json, body.clone().into_bytes()).await;
            assert!([400, 404].contains(&answer.status.as_u16()), "{method} {path}: {}", answer.status);
        }
    }
    for (name, value) in [("parameters", &arrays), ("scope", &objects), ("name", &digits)] {
        let body = format!("{{\"name\":\"t\",\"goal\":\"dummy\",\"{name}\":{value}}}");
        assert_eq!(service.send("POST", "/v1/audit_templates", &json, body.into_bytes()).await.status, 400);
    }
    let name = "n".repeat(900_000);
    let body = format!("{{\"name\":\"{name}\",\"goal\":\"dummy\"}}");
    let answer = service.send("POST", "/v1/audit_templates", &json, body.into_bytes()).await;
    assert!([201, 400].contains(&answer.status.as_u16()), "{}", answer.status);
}

#[tokio::test]
async fn heads_that_make_no_sense_are_refused() {
    let listening = Listening::new().await;
    let (long, many) = ("a".repeat(20 << 10), "x: y\r\n".repeat(300));
    let numbered: Vec<String> = (0..300).map(|number| format!("x{number}: y\r\n")).collect();
    for (request, statuses) in [
        (b"GET\r\n\r\n".to_vec(), &[400][..]),
        (b"\xff\xfe / HTTP/1.1\r\n\r\n".to_vec(), &[400]),
        (b"GET / HTTP/9.9\r\n\r\n".to_vec(), &[400]),
        (get(b"/v1/goals/\xff\xfe", b""), &[400, 404]),
        (get(b"/v1/goals/%ff%fe", b""), &[400, 404]),
        (get(b"/v1/goals/%00", b""), &[404]),
        (get(b"/v1/goals/%", b""), &[404]),
        (get(b"/v1/goals?limit=%ff", b""), &[400]),
        (get(b"/v1/goals?%ff=%fe", b""), &[400]),
        (get(b"/v1/goals?marker=%00", b""), &[400, 404]),
        (get(b"/v1/audits?goal=%00", b""), &[200]),
        (get(b"/v1/goals", b"x-auth-token: \xff\xfe\r\n"), &[200]),
        (get(b"/v1/goals", b"openstack-api-version: \xff\xfe\r\n"), &[200]),
        (get(b"/v1/goals", b"x-openstack-request-id: \xff\r\n"), &[200]),
        (get(b"/v1/goals", b"x-show-deleted: \xff\r\n"), &[200]),
        (get(b"/v1/goals", b"bad header\r\n"), &[400]),
        (get(b"/v1/goals", b"x: a\x00b\r\n"), &[400]),
        (get(b"/v1/goals", format!("x: {long}\r\n").as_bytes()), &[431]),
        (get(b"/v1/goals", many.as_bytes()), &[431]),
        (get(b"/v1/goals", numbered.concat().as_bytes()), &[431]),
        (get(format!("/v1/goals?x={long}").as_bytes(), b""), &[414, 431]),
        (get(b"http://elsewhere.example/v1/goals", b""), &[200]),
        (get(b"*", b""), &[400, 404]),
        (b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(), &[200]),
        (b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(), &[400, 404, 405]),
        (b"BREW /v1/goals HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(), &[405]),
        (b"GET /v1/goals HTTP/1.0\r\n\r\n".to_vec(), &[200]),
        // What could be read in two ways is not read at all.
        (b"POST /v1/audits HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}".to_vec(), &[400]),
        (b"POST /v1/audits HTTP/1.1\r\nhost: x\r\ncontent-length: -2\r\n\r\n{}".to_vec(), &[400]),
        (b"POST /v1/audits HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n{}".to_vec(), &[400]),
        (b"POST /v1/audits HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec(), &[400]),
    ] {
        let shown = String::from_utf8_lossy(&request[..request.len().min(90)]).into_owned();
        let answers = listening.exchange(&request).await;
        let first = answers.first().unwrap_or_else(|| panic!("no answer to {shown:?}"));
        assert!(statuses.contains(&first.status.as_u16()), "{shown:?}: {} {}", first.status, first.body);
    }
    listening.end().await;
}

#[tokio::test]
async fn a_client_that_dawdles_is_told_so_or_cut_off() {
    let listening = Listening::new().await;
    // A body of which half comes.
    let mut stream = listening.connect().await;
    let request = post("/v1/audits", br#"{"audit_type":"ONESHOT"}"#);
    stream.write_all(&request[..request.len() - 5]).await.unwrap();
    let answers = read_all(&mut stream).await;
    assert_eq!((answers.len(), answers[0].status.as_u16()), (1, 408));
    contract::check("POST", "/v1/audits", &answers[0]);
    // A head of which half comes, and a connection on which nothing comes at all.
    for head in [&b"GET /v1/goals HTTP/1.1\r\nhost:"[..], b""] {
        let mut stream = listening.connect().await;
        stream.write_all(head).await.unwrap();
        let answers = read_all(&mut stream).await;
        assert!(answers.iter().all(|answer| answer.status == 408), "{:?}", answers.first());
    }
    listening.end().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let listening = Listening::new().await;
    let mut bytes = Vec::new();
    for number in 0..50 {
        bytes.extend(format!("GET /v1/goals/nobody{number} HTTP/1.1\r\nhost: x\r\n\r\n").into_bytes());
    }
    bytes.extend(get(b"/v1/goals", b""));
    let answers = listening.exchange(&bytes).await;
    assert_eq!(answers.len(), 51);
    for (number, answer) in answers[..50].iter().enumerate() {
        assert_eq!((answer.status.as_u16(), answer.fault()), (404, format!("Goal nobody{number} could not be found")));
    }
    assert_eq!(answers[50].status, 200);
    listening.end().await;
}

#[tokio::test]
async fn clients_that_go_away_leave_nothing_behind() {
    let listening = Listening::new().await;
    let whole = post("/v1/audits", br#"{"audit_type":"ONESHOT","goal":"dummy"}"#);
    for round in 0..60 {
        let mut stream = listening.connect().await;
        let length = if round % 3 == 0 { whole.len() } else { whole.len() * (round % 7) / 7 };
        stream.write_all(&whole[..length]).await.unwrap();
        // Without reading: the connection is reset while the answer may be on its way.
        if round % 2 == 0 {
            socket_reset(&stream);
        }
    }
    listening.still_serves().await;
    let audits = listening.service.call("GET", "/v1/audits", None).await.json();
    assert!(audits["audits"].as_array().unwrap().iter().all(|audit| audit["state"] == "PENDING"));
    listening.end().await;
}

/// Closes with a reset when it is dropped.
fn socket_reset(stream: &TcpStream) {
    stream.set_zero_linger().unwrap();
}

#[tokio::test]
async fn more_connections_than_there_may_be_wait_for_their_turn() {
    let listening = Listening::new().await;
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS {
        idle.push(listening.connect().await);
    }
    // All are silent, and so are cut off after a while; then the next one is served.
    listening.still_serves().await;
    drop(idle);
    listening.end().await;
}

#[tokio::test]
async fn clients_that_take_nothing_of_their_answers_are_cut_off() {
    // More than fits into the buffers of a connection on both sides.
    let asked = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(200);
    let listening = Listening::new().await;
    let mut deaf = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = listening.connect().await;
        stream.write_all(&asked).await.unwrap();
        deaf.push(stream);
    }
    listening.still_serves().await;
    drop(deaf);
    listening.end().await;
}
