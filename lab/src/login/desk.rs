//! What the sign-in service remembers: tokens, codes and devices.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use super::resource::Resource;
use crate::record::lock;

/// Who holds a token.
#[derive(Debug, Clone)]
pub(crate) enum Holder {
    /// An app for itself, with its application permissions.
    App { permissions: Vec<String> },
    /// A person, with the delegated permissions and the directory roles.
    Person {
        upn: String,
        id: String,
        scopes: Vec<String>,
        roles: Vec<String>,
    },
}

/// An access token that was issued.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub tenant: String,
    pub client_id: String,
    pub resource: Resource,
    pub holder: Holder,
    pub expires: i64,
}

/// A sign-in that a refresh token, a code or a device stands for.
#[derive(Debug, Clone)]
pub(crate) struct SignIn {
    pub tenant: String,
    pub client_id: String,
    pub upn: String,
    pub scope: String,
    pub nonce: Option<String>,
}

/// A code of the authorise endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub sign_in: SignIn,
    pub redirect_uri: String,
    pub challenge: Option<String>,
}

/// How far a device code has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeviceState {
    Pending,
    Approved(String),
    Declined,
    Expired,
    Used,
}

/// A device code.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub user_code: String,
    pub tenant: String,
    pub client_id: String,
    pub scope: String,
    pub state: DeviceState,
    pub expires: i64,
    pub last_poll_ms: Option<f64>,
    pub interval_ms: f64,
}

#[derive(Debug, Default)]
struct Inner {
    serial: u64,
    access: HashMap<String, Arc<Access>>,
    revoked: HashSet<String>,
    refresh: HashMap<String, SignIn>,
    codes: HashMap<String, Code>,
    devices: HashMap<String, Device>,
    assertions: HashSet<String>,
}

/// The memory of the sign-in service.
#[derive(Debug, Default)]
pub(crate) struct Desk(Mutex<Inner>);

impl Desk {
    /// A number that was not given before.
    pub fn serial(&self) -> u64 {
        let mut inner = lock(&self.0);
        inner.serial += 1;
        inner.serial
    }

    pub fn keep_access(&self, token: &str, access: Access) {
        lock(&self.0).access.insert(token.to_owned(), Arc::new(access));
    }

    /// The token's content, unless it is unknown or revoked.
    pub fn access(&self, token: &str) -> Option<Arc<Access>> {
        let inner = lock(&self.0);
        if inner.revoked.contains(token) {
            return None;
        }
        inner.access.get(token).cloned()
    }

    /// Revokes every access token issued so far, and with `refresh` the refresh tokens too.
    pub fn revoke_all(&self, refresh: bool) {
        let mut inner = lock(&self.0);
        let tokens: Vec<String> = inner.access.keys().cloned().collect();
        inner.revoked.extend(tokens);
        if refresh {
            inner.refresh.clear();
        }
    }

    pub fn keep_refresh(&self, token: &str, sign_in: SignIn) {
        lock(&self.0).refresh.insert(token.to_owned(), sign_in);
    }

    pub fn refresh(&self, token: &str) -> Option<SignIn> {
        lock(&self.0).refresh.get(token).cloned()
    }

    pub fn keep_code(&self, code: &str, content: Code) {
        lock(&self.0).codes.insert(code.to_owned(), content);
    }

    /// A code is good once.
    pub fn take_code(&self, code: &str) -> Option<Code> {
        lock(&self.0).codes.remove(code)
    }

    pub fn keep_device(&self, code: &str, device: Device) {
        lock(&self.0).devices.insert(code.to_owned(), device);
    }

    /// Reads or changes a device by its device code.
    pub fn with_device<T>(&self, code: &str, then: impl FnOnce(&mut Device) -> T) -> Option<T> {
        lock(&self.0).devices.get_mut(code).map(then)
    }

    /// Changes the state of the device with this user code, or of all pending ones.
    pub fn set_device(&self, user_code: Option<&str>, state: &DeviceState) -> usize {
        let mut inner = lock(&self.0);
        let mut changed = 0;
        for device in inner.devices.values_mut() {
            if device.state == DeviceState::Pending && user_code.is_none_or(|code| code == device.user_code) {
                device.state = state.clone();
                changed += 1;
            }
        }
        changed
    }

    /// User codes that wait for a person.
    pub fn pending_devices(&self) -> Vec<String> {
        let inner = lock(&self.0);
        inner
            .devices
            .values()
            .filter(|d| d.state == DeviceState::Pending)
            .map(|d| d.user_code.clone())
            .collect()
    }

    /// True the first time that this assertion id is seen.
    pub fn first_use(&self, jti: &str) -> bool {
        lock(&self.0).assertions.insert(jti.to_owned())
    }
}
