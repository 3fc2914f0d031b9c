//! Recovery words: a key as words of the BIP-39 English list, to be written on paper.
//!
//! 256 bits become 24 words, the last of which holds a checksum. The first four letters of a word are enough.

use crate::Secret;
use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

/// Why words are not a key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// Not a number of words that a key has.
    #[error("cannot READ the recovery words: there are {count}, a key has 12, 15, 18, 21 or 24")]
    Count {
        /// How many there are.
        count: usize,
    },
    /// A word that the list does not have.
    #[error("cannot READ the recovery words: word {position}, {word:?}, is not in the list{}", hint(.nearest))]
    Unknown {
        /// 1 for the first.
        position: usize,
        /// The word.
        word: String,
        /// A word of the list that is close to it.
        nearest: Option<&'static str>,
    },
    /// The words are all in the list, but the checksum is wrong.
    #[error(
        "cannot READ the recovery words: the checksum does not match; try looking for a wrong word, or two words in \
         the wrong order"
    )]
    Checksum,
    /// The secret is a passphrase, not a random key.
    #[error("cannot SHOW recovery words: the key is a passphrase that you chose; keep that")]
    Passphrase,
}

fn hint(nearest: &Option<&'static str>) -> String {
    nearest.map(|word| format!("; try {word:?}")).unwrap_or_default()
}

/// The recovery words of a random key, separated by spaces.
///
/// # Errors
/// [`WordsError::Passphrase`].
pub fn encode(secret: &Secret) -> Result<Zeroizing<String>, WordsError> {
    let bytes = secret.bytes().ok_or(WordsError::Passphrase)?;
    let mnemonic = Mnemonic::from_entropy(&bytes).map_err(|_| WordsError::Passphrase)?;
    let words: Vec<&str> = mnemonic.words().collect();
    Ok(Zeroizing::new(words.join(" ")))
}

/// The words in a text: whatever is between letters separates them, so that a numbered list, commas and brackets do not matter.
fn typed(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty())
}

/// How many words a text has, as [`decode`] reads it.
pub fn count(text: &str) -> usize {
    typed(text).count()
}

/// The key with these recovery words; case, line breaks and numbering such as `3.` do not matter, and the first four
/// letters of a word are enough.
///
/// # Errors
/// [`WordsError`], with the position of a word that is not in the list.
pub fn decode(text: &str) -> Result<Secret, WordsError> {
    let list = Language::English.word_list();
    let mut words = Vec::new();
    let lower = Zeroizing::new(text.to_lowercase());
    for typed in typed(&lower) {
        let found = list.iter().find(|word| **word == typed).or_else(|| {
            let four = typed.len() >= 4;
            four.then(|| {
                list.iter().find(|word| word.len() > 4 && typed.len() <= word.len() && word.starts_with(typed))
            })?
        });
        match found {
            Some(word) => words.push(*word),
            None => {
                let nearest = list.iter().map(|word| (distance(word, typed), *word)).min().filter(|(far, _)| *far <= 2);
                return Err(WordsError::Unknown {
                    position: words.len() + 1,
                    word: typed.to_owned(),
                    nearest: nearest.map(|(_, word)| word),
                });
            }
        }
    }
    if !(12..=24).contains(&words.len()) || !words.len().is_multiple_of(3) {
        return Err(WordsError::Count { count: words.len() });
    }
    let mnemonic =
        Mnemonic::parse_in_normalized(Language::English, &words.join(" ")).map_err(|_| WordsError::Checksum)?;
    Ok(Secret::from_bytes(&Zeroizing::new(mnemonic.to_entropy())))
}

/// Edit distance (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_published_vector() {
        // BIP-39 test vectors (trezor/python-mnemonic vectors.json): 32 zero bytes.
        let words = encode(&Secret::from_bytes(&[0; 32])).unwrap();
        assert_eq!(words.split(' ').filter(|word| *word == "abandon").count(), 23);
        assert!(words.ends_with(" art"));
        assert_eq!(decode(&words).unwrap().expose(), "00".repeat(32));
    }

    #[test]
    fn a_wrong_word_is_pointed_out() {
        let words = encode(&Secret::from_bytes(&[0; 32]))
            .unwrap()
            .replacen("abandon", "abandom", 3)
            .replacen("abandom", "abandon", 2);
        let error = decode(&words).unwrap_err();
        assert_eq!(error, WordsError::Unknown { position: 3, word: "abandom".into(), nearest: Some("abandon") });
        assert_eq!(
            error.to_string(),
            "cannot READ the recovery words: word 3, \"abandom\", is not in the list; try \"abandon\""
        );
    }

    #[test]
    fn words_are_taken_as_people_write_lists() {
        let secret = Secret::from_bytes(b"0123456789abcdef0123456789ABCDEF");
        let words = encode(&secret).unwrap();
        let list: Vec<&str> = words.split(' ').collect();
        for (before, after) in
            [("", ",\n"), ("N. ", "\r\n"), ("(N) ", "; "), ("#N:\t", "\n\n"), ("N.", " "), ("- ", "\n")]
        {
            let numbered =
                |(i, word): (usize, &&str)| format!("{}{word}{after}", before.replace('N', &(i + 1).to_string()));
            let text: String = list.iter().enumerate().map(numbered).collect();
            assert_eq!(count(&text), 24, "{text}");
            assert_eq!(decode(&text).unwrap().expose(), secret.expose(), "{text}");
        }
    }

    #[test]
    fn swapped_words_and_missing_words() {
        let words = encode(&Secret::from_bytes(b"0123456789abcdef0123456789ABCDEF")).unwrap();
        let mut list: Vec<&str> = words.split(' ').collect();
        list.swap(3, 4);
        assert_eq!(decode(&list.join(" ")).unwrap_err(), WordsError::Checksum);
        assert_eq!(decode(&list[..23].join(" ")).unwrap_err(), WordsError::Count { count: 23 });
    }

    proptest! {
        #[test]
        fn any_key_comes_back(bytes in proptest::collection::vec(any::<u8>(), 32)) {
            let secret = Secret::from_bytes(&bytes);
            let words = encode(&secret).unwrap();
            let typed: Vec<String> = words.split(' ').enumerate()
                .map(|(i, word)| format!("{}. {}", i + 1, word.chars().take(4).collect::<String>().to_uppercase())).collect();
            // Three- and four-letter words are complete; longer ones are recognised by their first four letters.
            let read = decode(&typed.join("\n")).unwrap();
            prop_assert_eq!(read.expose(), secret.expose());
        }

        #[test]
        fn any_text_is_refused_or_read(text in "\\PC{0,200}") {
            let _ = decode(&text);
        }
    }
}
