//! A bucket.

use std::sync::Arc;
use std::time::Duration;

use watcher_blobs::{BlobOptions, ObjectBlobs, OpenError, S3Options, open};
use watcher_domain::ports::{BlobError, BlobStore as _};

use crate::s3::{KEY, KEY_ID, Mood, REGION, Service};

const NAME: &str = "sha256/ab/abcd.0001.wasm";
const PATH: &str = "/bucket/plugins/of/watcher/sha256/ab/abcd.0001.wasm";

fn s3(endpoint: &str) -> S3Options {
    S3Options {
        endpoint: Some(endpoint.to_owned()),
        region: REGION.to_owned(),
        access_key_id: KEY_ID.to_owned(),
        secret_access_key: KEY.to_owned(),
        allow_http: true,
        virtual_hosted: false,
        ca: None,
    }
}

fn bucket(place: &str, s3: S3Options, timeout: Duration) -> Result<ObjectBlobs, OpenError> {
    open(&place.parse().unwrap(), &BlobOptions { s3: Some(s3), timeout, max_requests: 2 })
}

fn blobs(service: &Service) -> ObjectBlobs {
    bucket("s3://bucket/plugins/of/watcher", s3(&service.endpoint), Duration::from_secs(30)).unwrap()
}

/// An error with everything behind it.
fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

#[tokio::test]
async fn what_was_stored_is_read_back_and_gone_when_it_is_removed_with_one_signed_request_each() {
    let service = Service::start().await;
    let blobs = blobs(&service);
    let bytes: Arc<[u8]> = (0..1_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    for _ in 0..2 {
        blobs.put(NAME, Arc::clone(&bytes)).await.unwrap();
    }
    assert_eq!(service.objects.lock().unwrap().get(PATH).map(Vec::as_slice), Some(&*bytes));
    assert_eq!(blobs.get(NAME, bytes.len() as u64).await.unwrap(), *bytes);
    for _ in 0..2 {
        blobs.delete(NAME).await.unwrap();
    }
    assert!(service.objects.lock().unwrap().is_empty());
    assert!(matches!(blobs.get(NAME, 5).await, Err(BlobError::Missing)));
    let methods = ["PUT", "PUT", "GET", "DELETE", "DELETE", "GET"];
    assert_eq!(service.asked(), methods.map(|method| format!("{method} {PATH}")), "no lists, and no look beforehand");
}

#[tokio::test]
async fn a_wrong_key_a_missing_bucket_and_a_full_one_are_refusals_that_show_no_key() {
    let service = Service::start().await;
    let wrong = S3Options { secret_access_key: "hunter2".to_owned(), ..s3(&service.endpoint) };
    let patience = Duration::from_secs(30);
    let mut stores = vec![
        bucket("s3://bucket", wrong, patience).unwrap(),
        bucket("s3://other/plugins", s3(&service.endpoint), patience).unwrap(),
    ];
    for blobs in &stores {
        let error = blobs.put(NAME, (*b"bytes").into()).await.unwrap_err();
        assert!(matches!(error, BlobError::Refused(_)), "{error:?}");
        let text = format!("{} {blobs:?}", chain(&error));
        assert!(!text.contains("hunter2") && !text.contains(KEY), "{text}");
    }
    stores.clear();
    service.be(Mood::Full);
    let error = blobs(&service).put(NAME, (*b"bytes").into()).await.unwrap_err();
    assert!(matches!(error, BlobError::Refused(_)), "{error:?}");
}

#[tokio::test]
async fn a_service_that_is_not_there_or_never_answers_ends_in_time() {
    let service = Service::start().await;
    service.be(Mood::Silent);
    let silent = bucket("s3://bucket", s3(&service.endpoint), Duration::from_millis(300)).unwrap();
    // More than have a slot: those that wait end in time, too.
    let all = futures::future::join_all((0..6).map(|_| silent.get(NAME, 5)));
    for result in tokio::time::timeout(Duration::from_secs(20), all).await.unwrap() {
        assert!(matches!(result, Err(BlobError::Unreachable(_))), "{result:?}");
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = bucket("s3://bucket", s3(&format!("http://{closed}")), Duration::from_secs(30)).unwrap();
    for result in [nobody.put(NAME, (*b"bytes").into()).await, nobody.delete(NAME).await] {
        assert!(matches!(result, Err(BlobError::Unreachable(_))), "{result:?}");
    }
}

#[tokio::test]
async fn answers_are_no_longer_than_they_should_be() {
    let service = Service::start().await;
    let blobs = blobs(&service);
    blobs.put(NAME, (*b"bytes").into()).await.unwrap();
    assert!(matches!(blobs.get(NAME, 4).await, Err(BlobError::Size { wanted: 4, found: 5 })));
    service.be(Mood::Lying);
    assert!(matches!(blobs.get(NAME, 5).await, Err(BlobError::Size { wanted: 5, found: 4 })));
    service.be(Mood::Wordy);
    let error = chain(&blobs.get(NAME, 5).await.unwrap_err());
    assert!(error.len() < 10_000, "{} characters", error.len());
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused_before_anything_is_sent() {
    let cases = [
        (S3Options { allow_http: false, ..s3("http://s3") }, "allow_http is off"),
        (s3("http://me:hunter2@s3"), "credentials do not belong into it"),
        (s3("ftp://s3"), "neither https:// nor http://"),
        (S3Options { access_key_id: String::new(), ..s3("http://s3") }, "needs the key"),
        (S3Options { ca: Some(b"-----BEGIN CERTIFICATE-----\n!".to_vec()), ..s3("http://s3") }, "cacert"),
    ];
    for (options, want) in cases {
        let error = bucket("s3://bucket", options, Duration::from_secs(1)).unwrap_err().to_string();
        assert!(error.contains(want) && !error.contains("hunter2"), "{error}");
    }
    let error = open(&"s3://bucket".parse().unwrap(), &BlobOptions::default()).unwrap_err().to_string();
    assert_eq!(error, "s3://bucket needs the key of an S3 service");
}
