//! A fake runtime that behaves like containerd where pullgate depends on it, and as scripted elsewhere. HTTP/2 on a Unix
//! socket; it records every call as bytes.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use containerd_client::services::v1 as images;
use containerd_client::types::Descriptor;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use pullgate::api;
use tokio::net::UnixListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A received call.
#[derive(Clone, Debug)]
pub struct Call {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The response to a call.
pub enum Reply {
    /// Head, data and trailers, verbatim.
    Answer { headers: HeaderMap, data: Vec<Bytes>, trailers: Option<HeaderMap> },
    /// The first data at once, the rest when the test opens the gate.
    Streamed { first: Bytes, gate: Arc<Notify>, then: Bytes },
    /// No response; `dropped` is notified when the caller closes the call.
    Never { dropped: Arc<Notify> },
    /// The stream is reset, after this time.
    Reset { after: Duration, reason: h2::Reason },
}

type Script = Box<dyn Fn(&Call) -> Option<Reply> + Send + Sync>;

#[derive(Default)]
struct State {
    calls: Mutex<Vec<Call>>,
    script: Mutex<Option<Script>>,
    /// Image records: digest by name.
    records: Mutex<BTreeMap<String, String>>,
    /// Manifests by digest, as a registry served them.
    content: Mutex<BTreeMap<String, Bytes>>,
    /// How many more ImageStatus calls do not find a recorded name, per record.
    late: Mutex<VecDeque<u32>>,
}

/// Runs until it is dropped.
pub struct Runtime {
    socket: PathBuf,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Runtime {
    pub fn start(socket: &Path) -> Self {
        let _ = std::fs::remove_file(socket);
        let listener = UnixListener::bind(socket).unwrap();
        let state = Arc::new(State::default());
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { socket: socket.to_owned(), state, task }
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Lets `script` answer calls; `None` for the normal response.
    pub fn script(&self, script: impl Fn(&Call) -> Option<Reply> + Send + Sync + 'static) {
        *self.state.script.lock().unwrap() = Some(Box::new(script));
    }

    pub fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().unwrap().clone()
    }

    /// The calls of one method, by the last part of their path.
    pub fn calls_of(&self, method: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.path.ends_with(&format!("/{method}"))).collect()
    }

    /// The image records by name.
    pub fn records(&self) -> BTreeMap<String, String> {
        self.state.records.lock().unwrap().clone()
    }

    pub fn record(&self, name: &str, digest: &str) {
        self.state.records.lock().unwrap().insert(name.to_owned(), digest.to_owned());
    }

    /// Removes an image record.
    pub fn forget(&self, name: &str) {
        self.state.records.lock().unwrap().remove(name);
    }

    /// Adds a manifest to the content store, so that the image is known by the digest of its configuration.
    pub fn hold(&self, manifest: &Bytes) {
        let digest = pullgate::digest::Digest::of(manifest).to_string();
        self.state.content.lock().unwrap().insert(digest, manifest.clone());
    }

    /// Lets the next `questions` ImageStatus calls find nothing, as containerd until it has handled the event.
    pub fn be_late(&self, questions: u32) {
        self.state.late.lock().unwrap().push_back(questions);
    }
}

impl State {
    /// The id of the image with this manifest digest: the digest of its configuration if the manifest is in the content
    /// store, otherwise a derived one. For an index, that of its first stored image.
    fn id(&self, digest: &str) -> String {
        let content = self.content.lock().unwrap();
        let json = |digest: &str| serde_json::from_slice::<serde_json::Value>(content.get(digest)?).ok();
        let config = |digest: &str| Some(json(digest)?["config"]["digest"].as_str()?.to_owned());
        let listed =
            json(digest).and_then(|index| index["manifests"].as_array().cloned()).unwrap_or_default();
        let stored = listed.iter().find_map(|child| config(child["digest"].as_str()?));
        stored.or_else(|| config(digest)).unwrap_or_else(|| image_id(digest))
    }
}

/// The derived id of an image whose manifest is not in the content store.
pub fn image_id(digest: &str) -> String {
    pullgate::digest::Digest::of(digest.as_bytes()).to_string()
}

/// A unary gRPC response.
pub fn message(message: &impl Message) -> Reply {
    let data = framed(&message.encode_to_vec());
    Reply::Answer { headers: HeaderMap::new(), data: vec![data], trailers: Some(status(0, "")) }
}

/// A trailers-only gRPC error.
pub fn error(code: i32, text: &str) -> Reply {
    Reply::Answer { headers: status(code, text), data: Vec::new(), trailers: None }
}

pub fn status(code: i32, text: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", code.into());
    if !text.is_empty() {
        headers.insert("grpc-message", text.parse().unwrap());
    }
    headers
}

pub fn framed(message: &[u8]) -> Bytes {
    let mut frame = vec![0];
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(message);
    frame.into()
}

async fn accept(listener: UnixListener, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let state = Arc::clone(&state);
                async move { answer(&state, request).await }
            });
            let _ = Builder::new(TokioExecutor::new())
                .auto_date_header(false)
                .max_header_list_size(1 << 20)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

type ReplyBody = UnsyncBoxBody<Bytes, Infallible>;

/// # Errors
/// With the reset that the script wants.
async fn answer(state: &State, request: Request<Incoming>) -> Result<Response<ReplyBody>, h2::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let call = Call { path: head.uri.path().to_owned(), headers: head.headers, body };
    state.calls.lock().unwrap().push(call.clone());
    let scripted = state.script.lock().unwrap().as_ref().and_then(|script| script(&call));
    respond(scripted.unwrap_or_else(|| like_containerd(state, &call))).await
}

async fn respond(reply: Reply) -> Result<Response<ReplyBody>, h2::Error> {
    let mut response = Response::builder().header("content-type", "application/grpc");
    match reply {
        Reply::Answer { headers, data, trailers } => {
            response.headers_mut().unwrap().extend(headers);
            if data.is_empty() && trailers.is_none() {
                return Ok(response.body(http_body_util::Empty::new().boxed_unsync()).unwrap());
            }
            let frames = data.into_iter().map(Frame::data).chain(trailers.map(Frame::trailers));
            let stream = frames_body(frames.map(|frame| (frame, None)).collect());
            Ok(response.body(stream).unwrap())
        }
        Reply::Streamed { first, gate, then } => {
            let frames = vec![
                (Frame::data(first), None),
                (Frame::data(then), Some(gate)),
                (Frame::trailers(status(0, "")), None),
            ];
            Ok(response.body(frames_body(frames.into())).unwrap())
        }
        Reply::Never { dropped } => {
            let _guard = NotifyOnDrop(dropped);
            tokio::time::sleep(Duration::from_secs(3600)).await;
            unreachable!("no test waits that long")
        }
        Reply::Reset { after, reason } => {
            tokio::time::sleep(after).await;
            Err(reason.into())
        }
    }
}

type PacedFrame = (Frame<Bytes>, Option<Arc<Notify>>);

fn frames_body(frames: VecDeque<PacedFrame>) -> ReplyBody {
    let stream = futures_stream(frames);
    StreamBody::new(stream).boxed_unsync()
}

/// A stream of the frames, each after its gate is open.
fn futures_stream(
    mut frames: VecDeque<PacedFrame>,
) -> impl futures_core::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        while let Some((frame, gate)) = frames.pop_front() {
            if let Some(gate) = gate {
                gate.notified().await;
            }
            if sender.send(Ok(frame)).await.is_err() {
                return;
            }
        }
    });
    tokio_stream::wrappers::ReceiverStream::new(receiver)
}

struct NotifyOnDrop(Arc<Notify>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// containerd's response, as far as pullgate depends on it: a pull by digest records the digest and the id, not the tag;
/// ImageStatus uses the records.
fn like_containerd(state: &State, call: &Call) -> Reply {
    let body = call.body.get(5..).unwrap_or_default();
    let mut records = state.records.lock().unwrap();
    match call.path.as_str() {
        "/runtime.v1.ImageService/PullImage" => {
            let request = api::PullImageRequest::decode(body).unwrap();
            let name = request.image.unwrap().image;
            let Some((_, digest)) = name.split_once('@') else {
                return error(2, "the fake runtime pulls by digest only");
            };
            let id = state.id(digest);
            records.insert(name.clone(), digest.to_owned());
            records.insert(id.clone(), digest.to_owned());
            message(&api::PullImageResponse { image_ref: id })
        }
        "/runtime.v1.ImageService/ImageStatus" => {
            let request = api::ImageStatusRequest::decode(body).unwrap();
            let name = request.image.unwrap().image;
            let mut late = state.late.lock().unwrap();
            if let Some(questions) = late.front_mut().filter(|questions| **questions > 0) {
                *questions -= 1;
                return message(&api::ImageStatusResponse::default());
            }
            let parsed = pullgate::reference::Reference::parse(&name);
            let normalised = parsed.map_or_else(|_| name.clone(), |reference| reference.to_string());
            let record = records.get(&name).or_else(|| records.get(&normalised));
            let image =
                record.map(|digest| api::Image { id: state.id(digest), size: 1, ..Default::default() });
            message(&api::ImageStatusResponse { image, ..Default::default() })
        }
        "/containerd.services.images.v1.Images/Get" => {
            let name = images::GetImageRequest::decode(body).unwrap().name;
            match records.get(&name) {
                None => error(5, "not found"),
                Some(digest) => {
                    message(&images::GetImageResponse { image: Some(image(state, &name, digest)) })
                }
            }
        }
        "/containerd.services.images.v1.Images/List" => {
            let filters = images::ListImagesRequest::decode(body).unwrap().filters;
            let wanted = records.iter().filter(|(name, _)| filters.contains(&format!("name=={name:?}")));
            let listed = wanted.map(|(name, digest)| image(state, name, digest)).collect();
            message(&images::ListImagesResponse { images: listed })
        }
        "/containerd.services.images.v1.Images/Create" => {
            let image = images::CreateImageRequest::decode(body).unwrap().image.unwrap();
            if records.contains_key(&image.name) {
                return error(6, "already exists");
            }
            records.insert(image.name.clone(), image.target.clone().unwrap().digest);
            message(&images::CreateImageResponse { image: Some(image) })
        }
        "/containerd.services.images.v1.Images/Update" => {
            let image = images::UpdateImageRequest::decode(body).unwrap().image.unwrap();
            records.insert(image.name.clone(), image.target.clone().unwrap().digest);
            message(&images::UpdateImageResponse { image: Some(image) })
        }
        "/containerd.services.images.v1.Images/Delete" => {
            let name = images::DeleteImageRequest::decode(body).unwrap().name;
            records.remove(&name).map_or_else(|| error(5, "not found"), |_| message(&()))
        }
        "/containerd.services.content.v1.Content/Read" => {
            let digest = images::ReadContentRequest::decode(body).unwrap().digest;
            match state.content.lock().unwrap().get(&digest) {
                None => error(5, "not found"),
                Some(bytes) => read_content(bytes),
            }
        }
        _ => error(12, "unknown method"),
    }
}

/// In messages of 1 MiB (`bufSize` in containerd's `contentserver.go`).
fn read_content(content: &[u8]) -> Reply {
    let mut offset = 0;
    let parts = content.chunks(1 << 20).map(|part| {
        let part = images::ReadContentResponse { offset, data: part.to_vec() };
        offset += 1 << 20;
        framed(&part.encode_to_vec())
    });
    Reply::Answer { headers: HeaderMap::new(), data: parts.collect(), trailers: Some(status(0, "")) }
}

fn image(state: &State, name: &str, digest: &str) -> images::Image {
    let content = state.content.lock().unwrap().get(digest).cloned();
    let stored = content.as_ref().map_or(1, Bytes::len);
    let is_index = content.is_some_and(|content| {
        serde_json::from_slice::<serde_json::Value>(&content)
            .is_ok_and(|value| value.get("manifests").is_some())
    });
    let kind = if is_index { "index" } else { "manifest" };
    images::Image {
        name: name.to_owned(),
        labels: [("io.cri-containerd.image".to_owned(), "managed".to_owned())].into(),
        target: Some(Descriptor {
            media_type: format!("application/vnd.oci.image.{kind}.v1+json"),
            digest: digest.to_owned(),
            size: i64::try_from(stored).unwrap(),
            ..Default::default()
        }),
        ..Default::default()
    }
}
