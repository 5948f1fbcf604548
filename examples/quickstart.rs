//! The whole way in one process: train a small network on the X-rays that are built in, compile it,
//! and classify encrypted images. `cargo run --release --example quickstart`

use beaa::{Client, Experiment, Server, Split, compile, labels_for, open_dataset, pixels, train};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Train a network with ReLU, then one without that learns from it.
    let experiment = Experiment::from_json(&std::fs::read_to_string("configs/tiny.json")?)?;
    let dataset = open_dataset("pneumoniamnist", &[])?;
    let folder = std::env::temp_dir().join(format!("beaa-quickstart-{}", std::process::id()));
    let model = train(&experiment, &dataset, &folder).run()?.student;
    std::fs::remove_dir_all(&folder)?;

    let program = compile(&model, experiment.compile_options())?;
    let (client, evaluation_key) = Client::new(program.signature())?;
    let server = Server::new(program)?;

    let test = dataset.split(Split::Test).take(100);
    let images = client.signature().normalise(&pixels(&test)?)?;
    let (encrypted, receipt) = client.encrypt(&images)?;
    let answer = server.run(&evaluation_key, &encrypted)?;
    let diagnoses = client.decrypt(&answer, &receipt)?.classes(model.classes());

    // By name: a data set may have the network's classes in another order.
    let labels = labels_for(model.classes(), &dataset, &test)?;
    let right = diagnoses.iter().zip(&labels).filter(|(found, label)| **found == Some(**label)).count();
    println!("{right} of {} encrypted images right", test.len());
    Ok(())
}
