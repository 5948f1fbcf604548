//! Client and server in processes of their own that exchange files and nothing else.
//! `cargo run --release --example client_server`

use std::path::Path;
use std::process::Command;

use beaa::{Client, EncryptedImages, EncryptedResults, EvaluationKey, ImageMajor, Program, Receipt, Server, Signature};

type Answer = Result<(), Box<dyn std::error::Error>>;

fn main() -> Answer {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["encrypt", client, shared] => encrypt(client.as_ref(), shared.as_ref()),
        ["serve", shared] => serve(shared.as_ref()),
        ["decrypt", client, shared] => decrypt(client.as_ref(), shared.as_ref()),
        _ => both(),
    }
}

/// The client makes keys and encrypts. Only `shared` is seen by the server.
fn encrypt(client: &Path, shared: &Path) -> Answer {
    let (keys, evaluation_key) = Client::new(Signature::load(shared.join("program.beaa.signature"))?)?;
    keys.save_key(client.join("secret.key"))?;
    // None where the program switches no keys.
    if let Some(key) = evaluation_key {
        key.save(shared.join("evaluation.key"))?;
    }
    // Three images of 1 x 2 x 2 pixels.
    let pixels = ImageMajor::from_rows(4, [[0_u8; 4], [50; 4], [100; 4]])?;
    let images = keys.signature().normalise(&pixels)?;
    let (encrypted, receipt) = keys.encrypt(&images)?;
    // By the receipt the client knows the answers; it stays here.
    receipt.save(&client.join("images.receipt"))?;
    let bytes = encrypted.save(shared.join("images.ct"))?;
    println!("client: sent {} images in {bytes} bytes", images.images());
    Ok(())
}

/// The server runs the program. It has no secret key.
fn serve(shared: &Path) -> Answer {
    let server = Server::new(Program::load("tests/data/v2/program.beaa")?)?;
    let needs_key = server.signature().needs_evaluation_key();
    let key = needs_key.then(|| EvaluationKey::load(shared.join("evaluation.key"))).transpose()?;
    let images = EncryptedImages::load(shared.join("images.ct"))?;
    server.run(&key, &images)?.save(shared.join("answers.ct"))?;
    println!("server: ran the program on {} images", images.images());
    Ok(())
}

/// The client decrypts.
fn decrypt(client: &Path, shared: &Path) -> Answer {
    let keys = Client::load(Signature::load(shared.join("program.beaa.signature"))?, client.join("secret.key"))?;
    let receipt = Receipt::load(&client.join("images.receipt"))?;
    let answers = keys.decrypt(&EncryptedResults::load(shared.join("answers.ct"))?, &receipt)?;
    let classes = keys.signature().classes();
    for (image, class) in answers.classes(classes).into_iter().enumerate() {
        println!("client: image {image} is `{}`", class.map_or("unknown".to_owned(), |c| classes.word(c)));
    }
    Ok(())
}

/// Starts the three steps one after the other, as two computers would.
fn both() -> Answer {
    let folder = std::env::temp_dir().join(format!("beaa-client-server-{}", std::process::id()));
    let (client, shared) = (folder.join("client"), folder.join("shared"));
    std::fs::create_dir_all(&client)?;
    std::fs::create_dir_all(&shared)?;
    Program::load("tests/data/v2/program.beaa")?.signature().save(shared.join("program.beaa.signature"))?;
    for step in ["encrypt", "serve", "decrypt"] {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(step);
        if step != "serve" {
            command.arg(&client);
        }
        if !command.arg(&shared).status()?.success() {
            return Err(format!("the step `{step}` failed").into());
        }
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
