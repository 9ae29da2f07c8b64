//! The Kubernetes container runtime interface, `runtime.v1`, as generated from `proto/`.
#![allow(missing_docs, unreachable_pub, unused_qualifications, reason = "generated code")]
#![allow(missing_debug_implementations, reason = "generated code")]
#![allow(clippy::all, clippy::use_self, clippy::indexing_slicing, reason = "generated code")]
#![allow(rustdoc::all, reason = "the comments of the definitions are not rustdoc")]

tonic::include_proto!("runtime.v1");
