//! Compiles the vendored CRI definitions without `protoc`, and lists their methods.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["runtime/v1/api.proto"], ["proto"])?;
    let methods: Vec<String> = descriptors
        .file
        .iter()
        .flat_map(|file| file.service.iter().map(move |service| (file.package(), service)))
        .flat_map(|(package, service)| {
            let path = format!("/{package}.{}/", service.name());
            service.method.iter().map(move |method| format!("{path}{}", method.name()))
        })
        .collect();
    let directory = std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    std::fs::write(std::path::Path::new(&directory).join("methods.rs"), format!("{methods:?}"))?;
    // The upstream comments are prose, not doc tests.
    tonic_prost_build::configure()
        .build_transport(false)
        .disable_comments(["."])
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    Ok(())
}
