//! The page that describes the API.

use sha2::Digest as _;

use crate::contract::DOCUMENT;
use crate::service::Service;

#[tokio::test]
async fn the_page_names_every_operation_and_object_and_asks_for_no_token() {
    let service = Service::with_tokens().await;
    for path in ["/docs", "/docs/"] {
        let page = service.send("GET", path, &[], Vec::new()).await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        for (_, item) in DOCUMENT["paths"].as_object().unwrap() {
            for operation in item.as_object().unwrap().values() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(page.body.contains(&format!("<article id=\"{id}\">")), "{id}");
                assert!(page.body.contains(&format!("href=\"#{id}\"")), "{id}");
            }
        }
        for name in DOCUMENT["components"]["schemas"].as_object().unwrap().keys() {
            assert!(page.body.contains(&format!("<article id=\"{name}\">")), "{name}");
        }
    }
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere_and_its_policy_says_so() {
    let service = Service::new().await;
    let page = service.send("GET", "/docs", &[], Vec::new()).await;
    for forbidden in ["<script", "<link", "<img", "<iframe", "src=", "url(", "@import", " style=\"", " on"] {
        let found = page.body.split('<').any(|tag| tag.split('>').next().unwrap().contains(forbidden));
        assert!(!found && (forbidden == " on" || !page.body.contains(forbidden)), "{forbidden}");
    }
    assert!(!page.body.contains("href=\"http"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe") && !policy.contains("http"));
    let style = page.body.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = base64(&sha2::Sha256::digest(style));
    assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "the hash of the style sheet is {hash}: {policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().chain(&[0, 0]).take(3).fold(0_usize, |word, byte| word << 8 | usize::from(*byte));
        for place in 0..4 {
            let letter = LETTERS[word >> (18 - 6 * place) & 63];
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}
