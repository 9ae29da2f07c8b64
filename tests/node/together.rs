//! Many concurrent pulls.

use std::thread;

use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::{Node, Release};

on_every_release!(
    concurrent_signed_and_unsigned_pulls_are_distinguished,
    a_tag_that_moves_meanwhile_names_the_pulled_image
);

fn concurrent_signed_and_unsigned_pulls_are_distinguished(release: Release) {
    let node = Node::start(release);
    let images: Vec<_> = (0..3)
        .flat_map(|number| {
            [
                (node.push_signed(&format!("team/signed:{number}")), true),
                (node.push(&format!("team/not:{number}")), false),
            ]
        })
        .collect();
    let kubelet = node.kubelet();
    thread::scope(|scope| {
        for (image, signed) in images.iter().chain(&images) {
            let kubelet = &kubelet;
            scope.spawn(move || {
                let pulled = kubelet.ensure_image(&Pod::of(image.by_tag()));
                assert_eq!(pulled.is_ok(), *signed, "{}: {pulled:?}", image.by_tag());
                if let Ok(id) = pulled {
                    let present = kubelet.image_status(&image.by_tag()).unwrap();
                    assert_eq!(present.map(|image| image.id), Some(id), "{}", image.by_tag());
                }
            });
        }
    });
    assert_eq!(node.pullgate.decisions().len(), 2 * images.len(), "one record for each decision");
}

/// After the answer, the tag names the pulled image or a later one, never no image.
fn a_tag_that_moves_meanwhile_names_the_pulled_image(release: Release) {
    let node = Node::start(release);
    let first = node.push_signed("team/app:1");
    let second = node.push_signed("team/app:1");
    let kubelet = node.kubelet();
    let ids = [&first, &second].map(|image| kubelet.pull(&Pod::of(image.by_digest())).unwrap());
    for image in [&first, &second, &first] {
        image.push_as(&node.registry, "team/app:1");
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let id = kubelet.pull(&Pod::of(image.by_tag())).unwrap();
                    assert!(ids.contains(&id));
                    let present = kubelet.image_status(&image.by_tag()).unwrap();
                    assert_eq!(present.map(|image| image.id), Some(id));
                });
            }
        });
    }
}
