//! The kernels are what NVRTC compiles, which needs no card. Run where NVRTC is, with its folder:
//! `LD_LIBRARY_PATH=FOLDER cargo test --release --workspace --test nvrtc -- --ignored`.

#![allow(clippy::unwrap_used)]

use beaa_cuda::{Architecture, CudaDevice, Kernel, compile};

#[test]
#[ignore = "needs NVRTC: LD_LIBRARY_PATH=FOLDER ... --ignored"]
fn every_kernel_compiles_for_every_generation_of_cards() {
    for (major, minor) in [(8, 0), (9, 0), (10, 0)] {
        let architecture = Architecture { major, minor };
        let code = compile(architecture).unwrap_or_else(|e| panic!("{e}")).to_src();
        assert!(code.contains(&format!(".target {architecture}")), "{architecture} is what it is compiled for");
        for kernel in Kernel::ALL {
            assert!(code.contains(&format!(".entry {}(", kernel.name())), "{kernel:?} for {architecture}");
        }
    }
}

#[test]
#[ignore = "needs NVRTC: LD_LIBRARY_PATH=FOLDER ... --ignored"]
fn an_architecture_that_nvrtc_does_not_know_is_an_error() {
    let refused = compile(Architecture { major: 1, minor: 0 }).unwrap_err().to_string();
    assert!(refused.contains("sm_10") && refused.contains("version of NVRTC"), "{refused}");
}

#[test]
fn a_machine_without_a_card_is_told_what_is_missing() {
    match CudaDevice::open(0) {
        Ok(device) => assert!(!device.name().is_empty()),
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("found") && text.contains("expected"), "{text}");
            assert!(["driver", "nvidia-smi", "NVRTC"].iter().any(|remedy| text.contains(remedy)), "{text}");
        }
    }
}
