//! `pkcs11:` (RFC 7512)

use std::fmt;
use std::path::PathBuf;

use super::{LocationError, uri};

const SCHEME: &str = "pkcs11:";
const FORM: &str = "pkcs11:token=<label>;object=<label>?module-path=<path>&pin-source=<path>";
const PATH: &str = "token, serial, manufacturer, model, library-manufacturer, library-description, slot-description, \
                    slot-manufacturer, slot-id, object, id and type=private";
const QUERY: &str = "module-path, module-name and pin-source";

/// Bytes of an object's id.
const MAX_ID: usize = 256;

/// A key in a PKCS#11 token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenKey {
    /// The label of the token.
    pub token: Option<String>,
    /// The serial number of the token.
    pub serial: Option<String>,
    /// Of what make the token, its library and its slot are.
    pub make: Box<TokenMake>,
    /// The slot of the token.
    pub slot: Option<u64>,
    /// The label of the key (`CKA_LABEL`).
    pub object: Option<String>,
    /// The id of the key (`CKA_ID`).
    pub id: Option<Vec<u8>>,
    /// The PKCS#11 library.
    pub module: Module,
    /// A file with the PIN.
    pub pin: Option<PathBuf>,
}

/// What a PKCS#11 library reports about a token, its slot and itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenMake {
    /// The manufacturer of the token.
    pub manufacturer: Option<String>,
    /// The model of the token.
    pub model: Option<String>,
    /// The manufacturer of the library.
    pub library_manufacturer: Option<String>,
    /// The description of the library.
    pub library_description: Option<String>,
    /// The description of the slot.
    pub slot_description: Option<String>,
    /// The manufacturer of the slot.
    pub slot_manufacturer: Option<String>,
}

/// The PKCS#11 library of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Module {
    /// The module in the settings.
    #[default]
    Configured,
    Path(PathBuf),
    /// A name without directory and suffix, looked up where modules are installed.
    Name(String),
}

impl TokenKey {
    pub(super) fn parse(rest: &str) -> Result<Self, LocationError> {
        let missing = |part| LocationError::Missing { scheme: SCHEME, part, form: FORM };
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let mut path = uri::Attributes::parse(SCHEME, Some(path), ';')?;
        let mut query = uri::Attributes::parse(SCHEME, query, '&')?;
        // First, so that a PIN in the URI is refused whatever else is wrong.
        if query.take("pin-value").is_some() || path.take("pin-value").is_some() {
            return Err(LocationError::Secret { attribute: "pin-value" });
        }
        let key = Self {
            token: path.padded_text("token")?,
            serial: path.padded_text("serial")?,
            make: Box::new(TokenMake {
                manufacturer: path.padded_text("manufacturer")?,
                model: path.padded_text("model")?,
                library_manufacturer: path.padded_text("library-manufacturer")?,
                library_description: path.padded_text("library-description")?,
                slot_description: path.padded_text("slot-description")?,
                slot_manufacturer: path.padded_text("slot-manufacturer")?,
            }),
            slot: path.text("slot-id")?.map(|text| slot(&text)).transpose()?,
            object: path.label("object")?,
            id: path.take("id").map(id).transpose()?,
            module: module(&mut query)?,
            pin: query.text("pin-source")?.map(|text| pin(&text)).transpose()?,
        };
        if let Some(kind) = path.take("type")
            && kind != "private"
        {
            return Err(LocationError::Value {
                name: "type",
                wanted: "`private`, because only the private key can sign",
            });
        }
        path.end(PATH)?;
        query.end(QUERY)?;
        if key.token.is_none() && key.serial.is_none() && key.slot.is_none() {
            return Err(missing("token (token, serial or slot-id)"));
        }
        if key.object.is_none() && key.id.is_none() {
            return Err(missing("key (object or id)"));
        }
        Ok(key)
    }
}

fn slot(text: &str) -> Result<u64, LocationError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.ok_or(LocationError::Value { name: "slot-id", wanted: "a number" })
}

fn id(text: &str) -> Result<Vec<u8>, LocationError> {
    let id = uri::unescape(text)?;
    if id.is_empty() || id.len() > MAX_ID {
        return Err(LocationError::Value { name: "id", wanted: "1 to 256 bytes, as in %01%a2" });
    }
    Ok(id)
}

fn module(query: &mut uri::Attributes<'_>) -> Result<Module, LocationError> {
    match (query.text("module-path")?, query.text("module-name")?) {
        (None, None) => Ok(Module::Configured),
        (Some(path), None) if path.starts_with('/') => Ok(Module::Path(PathBuf::from(path))),
        (Some(_), None) => {
            Err(LocationError::Value { name: "module-path", wanted: "an absolute path of a library" })
        }
        (None, Some(name)) => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
            if name.len() > 64 || !name.bytes().all(plain) || name.starts_with('.') {
                let wanted = "the name of a library, such as softhsm2";
                return Err(LocationError::Value { name: "module-name", wanted });
            }
            Ok(Module::Name(name))
        }
        (Some(_), Some(_)) => Err(LocationError::Value {
            name: "module-name",
            wanted: "allowed together with `module-path`; keep one of them",
        }),
    }
}

/// RFC 7512 section 2.4 also allows a program here, which is not supported.
fn pin(text: &str) -> Result<PathBuf, LocationError> {
    let wanted = "the absolute path of a file with the PIN, with or without file: before it";
    let path = text.strip_prefix("file:").unwrap_or(text);
    let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
    if !path.starts_with('/') {
        return Err(LocationError::Value { name: "pin-source", wanted });
    }
    Ok(PathBuf::from(path))
}

impl fmt::Display for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = [
            ("token", &self.token),
            ("serial", &self.serial),
            ("manufacturer", &self.make.manufacturer),
            ("model", &self.make.model),
            ("library-manufacturer", &self.make.library_manufacturer),
            ("library-description", &self.make.library_description),
            ("slot-description", &self.make.slot_description),
            ("slot-manufacturer", &self.make.slot_manufacturer),
            ("object", &self.object),
        ];
        let mut path: Vec<String> = texts
            .into_iter()
            .filter_map(|(name, text)| Some(format!("{name}={}", uri::escape(text.as_ref()?.as_bytes(), ""))))
            .collect();
        path.extend(self.slot.map(|slot| format!("slot-id={slot}")));
        path.extend(self.id.as_ref().map(|id| {
            let id: String = id.iter().map(|byte| format!("%{byte:02X}")).collect();
            format!("id={id}")
        }));
        let mut query = Vec::new();
        let escaped = |path: &PathBuf| uri::escape(path.as_os_str().as_encoded_bytes(), "/");
        match &self.module {
            Module::Configured => {}
            Module::Path(path) => query.push(format!("module-path={}", escaped(path))),
            Module::Name(name) => query.push(format!("module-name={name}")),
        }
        query.extend(self.pin.as_ref().map(|path| format!("pin-source={}", escaped(path))));
        write!(f, "pkcs11:{}", path.join(";"))?;
        if query.is_empty() { Ok(()) } else { write!(f, "?{}", query.join("&")) }
    }
}
