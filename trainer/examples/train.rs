//! The trainer as a library: `train CONFIG FOLDER [DATA]...` trains, prints one line per epoch and
//! saves both models. The `beaa train` command does the same with progress bars and resuming.

use std::path::{Path, PathBuf};

use beaa_trainer::{Completion, Error, Event, Observer, TrainConfig, Trainer};

struct Lines;

impl Observer for Lines {
    fn event(&mut self, event: &Event) {
        match event {
            Event::EpochEnd(m) => println!(
                "{} {:3}: loss {:.4}, training {:.4}, validation {:.4}, {:.1} s",
                m.phase,
                m.epoch,
                m.train_loss,
                m.train_accuracy,
                m.validation_accuracy.unwrap_or(f64::NAN),
                m.seconds
            ),
            Event::Note { text } => println!("{text}"),
            _ => {}
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(config), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: train CONFIG FOLDER [DATA]...".into());
    };
    let roots: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    let config = TrainConfig::from_json(&std::fs::read_to_string(config)?)?;
    let dataset = beaa_datasets::open(&config.literal().data.source, &roots).map_err(Error::from)?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    match Trainer::new(&config, &dataset, folder).resume(true).observe(&mut Lines).train()? {
        Completion::Done(trained) => {
            beaa_ir::save_model(&trained.teacher, &folder.join("teacher.safetensors"))?;
            beaa_ir::save_model(&trained.student, &folder.join("student.safetensors"))?;
            println!("teacher {:?}", trained.teacher_accuracy);
            println!("student {:?}", trained.student_accuracy);
            println!("{:.1} s", trained.seconds);
        }
        Completion::Interrupted(at) => println!("interrupted; state in {}", at.checkpoint.display()),
    }
    Ok(())
}
