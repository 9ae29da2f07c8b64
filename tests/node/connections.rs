//! Many connections to the socket.

use pullgate::api::ImageFsInfoRequest;
use pullgate::api::image_service_client::ImageServiceClient;
use pullgate::containerd::Upstream;
use serde_json::Value;

use pullgate_test::node::process::{self, LIMIT};
use pullgate_test::node::{Node, Release};

on_every_release!(a6_idle_connections_keep_nobody_out);

/// critest leaves a connection for each of its tests.
fn a6_idle_connections_keep_nobody_out(release: Release) {
    let node = Node::start(release);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut idle = Vec::new();
    for number in 0..299 {
        let connection = Upstream::new(node.pullgate.socket());
        let mut client = ImageServiceClient::new(connection.clone());
        let answer = async { tokio::time::timeout(LIMIT, client.image_fs_info(ImageFsInfoRequest {})).await };
        let answer = runtime.block_on(answer);
        assert!(matches!(answer, Ok(Ok(_))), "connection {number}: {answer:?}");
        idle.push(connection);
    }
    node.kubelet().image_fs_info().unwrap();
    let status = process::output(node.pullgate.command().args(["status", "--output", "json"]));
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let connections = &status["connections"];
    assert_eq!((&connections["limit"], &connections["refused"]), (&256.into(), &0.into()), "{connections}");
    assert!(connections["closed_idle"].as_u64() >= Some(300 - 256), "{connections}");
    drop(idle);
}
