//! Makes the C header, into `OUT_DIR` only; a test compares it with the one that is checked in.

use std::path::PathBuf;

macro_rules! statuses {
    ($($code:literal, $constant:ident, $variant:ident, $name:literal, $category:literal, $meaning:literal, $help:literal;)*) => {
        fn status_enum() -> String {
            let mut text = String::from(
                "\n// What a function returns. The comment names the error as error documents do.\nenum sspr_status {\n",
            );
            $(text.push_str(&format!("  // {}: {}\n  {} = {},\n", $name, $meaning, stringify!($constant), $code));)*
            text.push_str("};\n");
            text
        }
    };
}

include!("src/ffi/status_table.rs");

fn main() {
    for path in ["src/ffi", "cbindgen.toml", "build.rs"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml is valid");
    config.after_includes = Some(status_enum());
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in ["text", "session", "task", "steps"] {
        builder = builder.with_src(root.join(format!("src/ffi/{file}.rs")));
    }
    let header = builder.generate().expect("the C interface can be written as a header");
    let mut text = Vec::new();
    header.write(&mut text);
    let text = String::from_utf8(text).expect("the source is UTF-8");
    // A heading that rustdoc wants; what stands below it is as true for C, and needs none there.
    let text = text.replace("// # Safety\n", "");
    std::fs::write(out.join("entra_sspr.h"), text).expect("OUT_DIR can be written");
}
