//! Shards: encrypted images on their way to any of many machines.

use beaa_runtime::ckks;

use crate::{BatchId, EncryptedImages, EncryptedResults, EvaluationKey, Progress, Result, Server};

/// Encrypted images in a file of their own: for which program they are, under which key, what they
/// hold, and where. Its name follows from what it holds, so that work on it may be done again, or
/// by two machines at once, with the same bytes as the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard(ckks::Shard);

/// The record of the answers to a shard: to which one, what they hold, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardAnswer(ckks::ShardAnswer);

impl Shard {
    /// Describes encrypted images that lie at `ciphertexts`, a file or an address.
    ///
    /// ```
    /// # fn main() -> beaa::Result<()> {
    /// use beaa::{Client, EncryptedResults, ImageMajor, Program, Server, Shard};
    ///
    /// let program = Program::load("tests/data/v2/program.beaa")?;
    /// let (client, key) = Client::new(program.signature())?;
    /// let pixels = ImageMajor::new(2, 4, vec![0, 0, 0, 0, 100, 100, 100, 100])?;
    /// let (images, _) = client.encrypt(&client.signature().normalise(&pixels)?)?;
    /// let shard = Shard::new(&images, "s3://images/1.ct")?;
    /// // On any machine.
    /// let server = Server::new(program)?;
    /// let again = Shard::from_json(&shard.to_json()?)?;
    /// let (results, answer) = again.run(&server, &key, &images, "s3://answers/1.ct", &beaa::Silent)?;
    /// assert_eq!(answer.shard(), shard.id());
    /// answer.expect(&shard, &EncryptedResults::from_bytes(results.to_bytes()?)?)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::BadFile`](crate::Error::BadFile) if the images do not name their batches, as those
    /// of older releases.
    pub fn new(images: &EncryptedImages, ciphertexts: impl Into<String>) -> Result<Self> {
        Ok(Self(ckks::Shard::new(&images.0, ciphertexts)?))
    }

    /// Reads a shard from JSON.
    ///
    /// # Errors
    /// [`Error::BadFile`](crate::Error::BadFile) if the text is no shard.
    pub fn from_json(text: &str) -> Result<Self> {
        Ok(Self(ckks::Shard::from_json(text)?))
    }

    /// Gives the shard as JSON, on one line.
    ///
    /// # Errors
    /// If it has no form in JSON.
    pub fn to_json(&self) -> Result<String> {
        Ok(self.0.to_json()?)
    }

    /// The name of the shard, 64 hexadecimal digits: of program, key and ciphertexts.
    pub fn id(&self) -> String {
        self.0.id()
    }

    /// Fingerprint of the program that it is for.
    pub fn program(&self) -> &str {
        self.0.program()
    }

    /// The name of the pair of keys that it is under.
    pub fn key(&self) -> &str {
        self.0.key()
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.0.images()
    }

    /// The first batch, by which the client finds its receipt.
    pub fn batch(&self) -> &BatchId {
        self.0.batch()
    }

    /// Where the ciphertexts lie: a file or an address.
    pub fn ciphertexts(&self) -> &str {
        self.0.ciphertexts()
    }

    /// Refuses images that are not those of the shard.
    ///
    /// # Errors
    /// [`Error::BadFile`](crate::Error::BadFile) if they are for another program, under another
    /// key, or have another checksum.
    pub fn expect(&self, images: &EncryptedImages) -> Result<()> {
        Ok(self.0.expect(&images.0)?)
    }

    /// Runs the program on the images of the shard, and describes the answers, which the caller
    /// writes to `answers`.
    ///
    /// # Errors
    /// [`Error::BadFile`](crate::Error::BadFile) if the images are not those of the shard; as
    /// [`Server::run_with`].
    pub fn run<'k>(
        &self,
        server: &Server,
        key: impl Into<Option<&'k EvaluationKey>>,
        images: &EncryptedImages,
        answers: impl Into<String>,
        progress: &dyn Progress,
    ) -> Result<(EncryptedResults, ShardAnswer)> {
        self.expect(images)?;
        let (results, _) = server.run_with(key, images, progress)?;
        let answer = self.answered(&results, answers)?;
        Ok((results, answer))
    }

    /// Describes answers to this shard that lie at `answers`, a file or an address: those of an
    /// earlier run need not be worked out again.
    ///
    /// # Errors
    /// [`Error::BadFile`](crate::Error::BadFile) if they are answers to something else.
    pub fn answered(&self, results: &EncryptedResults, answers: impl Into<String>) -> Result<ShardAnswer> {
        Ok(ShardAnswer(self.0.answered(&results.0, answers)?))
    }
}

impl ShardAnswer {
    /// Reads a record from JSON.
    ///
    /// # Errors
    /// [`Error::BadFile`](crate::Error::BadFile) if the text is no record of answers.
    pub fn from_json(text: &str) -> Result<Self> {
        Ok(Self(ckks::ShardAnswer::from_json(text)?))
    }

    /// Gives the record as JSON, on one line.
    ///
    /// # Errors
    /// If it has no form in JSON.
    pub fn to_json(&self) -> Result<String> {
        Ok(self.0.to_json()?)
    }

    /// The name of the shard that is answered.
    pub fn shard(&self) -> &str {
        self.0.shard()
    }

    /// The checksum of the file of answers, 64 hexadecimal digits.
    pub fn checksum(&self) -> &str {
        self.0.checksum()
    }

    /// Where the answers lie: a file or an address.
    pub fn answers(&self) -> &str {
        self.0.answers()
    }

    /// Refuses answers that are not those which the record speaks of.
    ///
    /// # Errors
    /// [`Error::BadFile`](crate::Error::BadFile) if they are answers to another shard, or have
    /// another checksum.
    pub fn expect(&self, shard: &Shard, results: &EncryptedResults) -> Result<()> {
        Ok(self.0.expect(&shard.0, &results.0)?)
    }
}
