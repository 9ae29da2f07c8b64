//! Compiles the vendored CRI definitions without `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["runtime/v1/api.proto"], ["proto"])?;
    // The upstream comments are prose, not doc tests.
    tonic_prost_build::configure()
        .build_transport(false)
        .disable_comments(["."])
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    Ok(())
}
