//! Makes the C header, into `OUT_DIR` only; a test compares it with the one that is checked in. For Windows it also gives
//! the DLL its version information.

use std::path::{Path, PathBuf};

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
    for file in [
        "text", "session", "task", "steps", "fleet", "plan", "report", "watch", "notify",
    ] {
        builder = builder.with_src(root.join(format!("src/ffi/{file}.rs")));
    }
    let header = builder.generate().expect("the C interface can be written as a header");
    let mut text = Vec::new();
    header.write(&mut text);
    let text = String::from_utf8(text).expect("the source is UTF-8");
    // A heading that rustdoc wants; what stands below it is as true for C, and needs none there.
    let text = text.replace("// # Safety\n", "");
    std::fs::write(out.join("entra_sspr.h"), text).expect("OUT_DIR can be written");
    if std::env::var_os("CARGO_CFG_WINDOWS").is_some() {
        version_information(&out);
    }
}

/// What Windows shows of the DLL in its properties, and what inventories read.
fn version_information(out: &Path) {
    let version = env!("CARGO_PKG_VERSION");
    let numbers = version.split(['-', '+']).next().unwrap_or(version).replace('.', ",");
    let description = env!("CARGO_PKG_DESCRIPTION");
    let strings = [
        ("CompanyName", "EntraSspr contributors"),
        ("FileDescription", description),
        ("FileVersion", version),
        ("InternalName", "entra_sspr"),
        ("LegalCopyright", "EntraSspr contributors, MIT licence"),
        ("OriginalFilename", "entra_sspr.dll"),
        ("ProductName", "EntraSspr"),
        ("ProductVersion", version),
    ];
    let strings: String = strings
        .map(|(name, value)| format!("      VALUE \"{name}\", \"{value}\"\n"))
        .concat();
    // 0x2: a DLL; 0x40004: for Windows NT; 0409 and 1200: English, in Unicode.
    let text = format!(
        "1 VERSIONINFO\nFILEVERSION {numbers},0\nPRODUCTVERSION {numbers},0\nFILEOS 0x40004\nFILETYPE 0x2\nBEGIN\n  \
         BLOCK \"StringFileInfo\"\n  BEGIN\n    BLOCK \"040904B0\"\n    BEGIN\n{strings}    END\n  END\n  \
         BLOCK \"VarFileInfo\"\n  BEGIN\n    VALUE \"Translation\", 0x409, 1200\n  END\nEND\n"
    );
    let script = out.join("version.rc");
    std::fs::write(&script, text).expect("OUT_DIR can be written");
    // A machine without a resource compiler can still check and build; what is packaged is looked at.
    if let Err(error) = embed_resource::compile_for_cdylib(&script, embed_resource::NONE).manifest_required() {
        println!("cargo::warning=the DLL gets no version information: {error}");
    }
}
