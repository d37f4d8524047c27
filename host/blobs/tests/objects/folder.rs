//! A folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use watcher_blobs::{BlobOptions, ObjectBlobs, Place, open};
use watcher_domain::ports::{BlobError, BlobStore as _};

const NAME: &str = "sha256/ab/abcd.0001.wasm";

fn folder(path: &Path) -> ObjectBlobs {
    open(&Place::Folder(path.to_owned()), &BlobOptions::default()).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn what_was_stored_is_read_back_and_leaves_nothing_when_it_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = folder(dir.path());
    let bytes: Arc<[u8]> = vec![7; 100_000].into();
    for _ in 0..2 {
        blobs.put(NAME, Arc::clone(&bytes)).await.unwrap();
    }
    assert_eq!(files(dir.path()), [dir.path().join(NAME)]);
    assert_eq!(blobs.get(NAME, 100_000).await.unwrap(), *bytes);
    for _ in 0..2 {
        blobs.delete(NAME).await.unwrap();
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "folders that are empty go, too");
    assert!(matches!(blobs.get(NAME, 100_000).await, Err(BlobError::Missing)));
}

#[tokio::test]
async fn a_file_of_another_size_is_not_what_was_stored() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = folder(dir.path());
    blobs.put(NAME, (*b"bytes").into()).await.unwrap();
    std::fs::write(dir.path().join(NAME), b"more bytes").unwrap();
    assert!(matches!(blobs.get(NAME, 5).await, Err(BlobError::Size { wanted: 5, found: 10 })));
}

#[tokio::test]
async fn what_a_killed_process_left_half_written_goes_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let half = dir.path().join(format!("{NAME}#1"));
    std::fs::create_dir_all(half.parent().unwrap()).unwrap();
    std::fs::write(&half, b"ha").unwrap();
    let blobs = folder(dir.path());
    assert!(matches!(blobs.get(NAME, 4).await, Err(BlobError::Missing)));
    blobs.delete(NAME).await.unwrap();
    assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_folder_that_takes_nothing_says_so_and_one_that_is_not_there_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("sha256"), b"in the way").unwrap();
    let error = folder(dir.path()).put(NAME, (*b"bytes").into()).await.unwrap_err();
    assert!(matches!(error, BlobError::Refused(_)), "{error:?}");
    let gone = dir.path().join("gone");
    let error = open(&Place::Folder(gone.clone()), &BlobOptions::default()).unwrap_err().to_string();
    assert!(error.contains("gone for blobs cannot be used: it must be there"), "{error}");
    assert!(!gone.exists());

    std::fs::create_dir(&gone).unwrap();
    let blobs = folder(&gone);
    std::fs::remove_dir(&gone).unwrap();
    let put = blobs.put(NAME, (*b"bytes").into()).await;
    let get = blobs.get(NAME, 5).await.map(drop);
    for result in [put, get, blobs.delete(NAME).await] {
        assert!(matches!(result, Err(BlobError::Unreachable(_))), "{result:?}");
    }
    assert!(!gone.exists(), "a disk that is not mounted any more is not written beside");
}
