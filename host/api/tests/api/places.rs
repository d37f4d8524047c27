//! How much is done at a time for one project.

use std::task::Poll;

use axum::body::{Body, Bytes};
use axum::http::{Request, Response, StatusCode};
use futures::channel::mpsc;
use futures::future::join_all;
use futures::{StreamExt as _, stream};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::plugins::strategy;
use crate::service::Service;

fn request(method: &str, path: &str, token: &str, body: Body) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("host", "x").header("x-auth-token", token);
    request.header("content-type", "application/json").body(body).unwrap()
}

fn send(service: &Service, request: Request<Body>) -> JoinHandle<Response<Body>> {
    let answer = service.router.clone().oneshot(request);
    tokio::spawn(async move { answer.await.unwrap() })
}

#[tokio::test]
async fn requests_of_a_project_beyond_its_places_wait_and_those_of_others_do_not() {
    for (_backend, service) in Service::each().await {
        let (read, mut reads) = mpsc::unbounded();
        let mut stuck = Vec::new();
        for _ in 0..8 {
            let read = read.clone();
            // A body of which never comes more.
            let body = stream::poll_fn(move |_| {
                read.unbounded_send(()).unwrap();
                Poll::<Option<Result<Bytes, std::io::Error>>>::Pending
            });
            stuck.push(send(&service, request("POST", "/v1/audits", "member-a", Body::from_stream(body))));
            reads.next().await.unwrap();
        }
        let next = send(&service, request("GET", "/v1/audits", "member-a", Body::empty()));
        for _ in 0..3 {
            let other = send(&service, request("GET", "/v1/audits", "member-b", Body::empty())).await.unwrap();
            assert_eq!(other.status(), StatusCode::OK);
        }
        assert!(!next.is_finished());
        stuck.pop().unwrap().abort();
        assert_eq!(next.await.unwrap().status(), StatusCode::OK);
        stuck.iter().for_each(JoinHandle::abort);
    }
}

#[tokio::test]
async fn downloads_of_a_project_wait_until_others_have_taken_theirs_and_its_other_requests_do_not() {
    for (_backend, service) in Service::each().await {
        let component = strategy("mine", "1.0.0", "my_goal");
        let answer = service.upload_as("member-a", &component).await;
        let location = answer.header("location").unwrap().strip_prefix("http://watcher.example:9322").unwrap();
        let path = format!("{location}/file");
        let download = || send(&service, request("GET", &path, "member-a", Body::empty()));
        let mut begun = Vec::new();
        for _ in 0..2 {
            begun.push(download().await.unwrap());
        }
        let waiting: Vec<_> = (0..10).map(|_| download()).collect();
        for _ in 0..3 {
            let other = send(&service, request("GET", location, "member-a", Body::empty())).await.unwrap();
            assert_eq!(other.status(), StatusCode::OK);
        }
        assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
        let length = component.to_string().len().to_string();
        for answer in begun {
            assert_eq!(answer.headers()["content-length"], length.as_str());
            let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            assert_eq!(bytes, component.to_string().as_bytes());
        }
        // In whatever order they come: each takes the place of the one before.
        let statuses = join_all(waiting.into_iter().map(async |answer| answer.await.unwrap().status())).await;
        assert!(statuses.iter().all(|status| *status == StatusCode::OK), "{statuses:?}");
    }
}
