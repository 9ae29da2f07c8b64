//! From push to pod, with a change of the key: the steps of `make demo`.

use pullgate_test::node::circle::{Circle, STEPS};
use pullgate_test::node::process::LIMIT;
use pullgate_test::node::{Node, Release};

#[test]
fn a_pushed_image_is_signed_and_runs_until_its_key_is_revoked() {
    let mut node = Node::start(Release::V2_1);
    let mut circle = Circle::start(&mut node, LIMIT);
    for step in STEPS {
        let seen = (step.take)(&mut circle);
        assert_eq!(seen.result, step.expected, "{}: {}", step.what, seen.message);
    }
}
