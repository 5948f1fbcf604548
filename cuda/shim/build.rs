//! Compiles the kernels of the parent folder with the system's C++ compiler.

fn main() {
    println!("cargo::rerun-if-changed=../kernels");
    println!("cargo::rerun-if-changed=shim.cpp");
    cc::Build::new()
        .cpp(true)
        // Nothing of it is used.
        .cpp_link_stdlib(None)
        .std("c++17")
        .opt_level(3)
        .include("../kernels")
        .file("shim.cpp")
        .compile("beaa_cuda_shim");
}
