//! What is tried, one thing after the other. Each has a disposable user of its own, so that none disturbs another.

use super::{note, password, protection};
use crate::directory::descriptor::{Acl, Descriptor, allowing, flag};
use crate::directory::forest::Login;
use crate::directory::ldap::{Connection, DirectoryError, Protection};
use crate::directory::password_policy::{FineGrained, Policy};
use crate::directory::sid::{Sid, SidBuf};
use crate::error::{Error, Result};
use crate::gather::directory::policy;
use crate::session::directory::error;
use crate::snapshot::probe::{Attempt, Ended, Trial, WritebackProbe};
use crate::status::Status;
use crate::task::TaskContext;
use zeroize::Zeroizing;

/// So many objects are made: the users, and a unit.
pub const MADE: usize = 7;
const UNIT: usize = 6;
/// So many wrong passwords, or more, are not tried.
const MOST_WRONG: u32 = 50;
/// Of `userAccountControl`: disabled, a user like any other. Of what is computed of it: locked out.
const DISABLED: i64 = 0x2;
const NORMAL: &str = "512";
const NORMAL_DISABLED: &str = "514";
const LOCKED: i64 = 0x10;
/// Of a descriptor's control: it inherits nothing (SE_DACL_PROTECTED).
const PROTECTED: u8 = 0x10;
/// All rights on an object.
const FULL: u32 = 0x000f_01ff;

type Asked<T> = std::result::Result<T, DirectoryError>;

/// What the trials work with.
pub struct Scene {
    /// How the caller signs in at the controller at which all of it is done.
    pub by: Login,
    pub admin: Connection,
    pub connector: Connection,
    /// The control by which the controller holds a reset against the password policy.
    pub hints: Option<&'static str>,
    pub domain: Option<Policy>,
    pub fine: Option<Vec<FineGrained>>,
    pub own: Option<SidBuf>,
    pub connector_sid: Option<SidBuf>,
    /// The names of what is made.
    pub made: Vec<String>,
    pub context: TaskContext,
}

/// A disposable user.
struct Person {
    dn: String,
    policy: Option<Policy>,
    fine_grained: Option<String>,
    password: Zeroizing<String>,
}

/// How old a disposable user's password is.
#[derive(Clone, Copy, PartialEq)]
enum Age {
    /// It was set just now.
    Young,
    /// It must be changed, for which no password is too young.
    Due,
}

fn trial(attempt: Attempt, ended: Ended, reason: impl Into<String>) -> Trial {
    Trial {
        attempt,
        ended,
        code: None,
        reason: reason.into(),
    }
}

fn not_tried(attempt: Attempt, why: impl Into<String>) -> Trial {
    trial(attempt, Ended::NotTried, why)
}

/// How a request ended; the connection's own end is the probe's.
fn came(attempt: Attempt, asked: Asked<()>) -> Asked<Trial> {
    match asked {
        Ok(()) => Ok(trial(attempt, Ended::Done, "")),
        Err(DirectoryError::Refused { code, text }) => Ok(Trial {
            code: Some(code),
            ..trial(attempt, Ended::Refused, text)
        }),
        Err(error) => Err(error),
    }
}

impl Scene {
    /// Tries all on users that are made for it.
    pub async fn disposable(&mut self, container: &str, told: &mut WritebackProbe) -> Result<()> {
        let Some(hints) = self.hints else {
            told.trials.push(self.no_control());
            return Ok(());
        };
        const STEPS: u64 = 6;
        let progress = |scene: &Scene, what: &str, done| scene.context.progress(what, done, Some(STEPS));
        progress(self, "Resetting a password", 0);
        let person = self.person(0, container, Age::Due).await?;
        let counts = person.policy;
        told.policy = counts.as_ref().map(policy);
        told.fine_grained.clone_from(&person.fine_grained);
        self.reset(&person, hints, &mut told.trials).await?;
        progress(self, "Unlocking a user", 1);
        let unlocked = self.unlock(1, container).await?;
        told.trials.push(unlocked);
        let refusals = [
            (Attempt::TooYoung, "Trying a password that is too young"),
            (Attempt::FromHistory, "Trying a password from the history"),
            (Attempt::TooShort, "Trying a short password"),
            (Attempt::Protected, "Trying a unit that inherits nothing"),
        ];
        for (at, (attempt, what)) in refusals.into_iter().enumerate() {
            progress(self, what, 2 + at as u64);
            let refused = match (attempt, counts) {
                (Attempt::Protected, _) => self.protected(2 + at, container, hints).await?,
                (_, None) => not_tried(attempt, "the password policy that counts could not be read"),
                (_, Some(policy)) => self.against(attempt, policy, 2 + at, container, hints).await?,
            };
            told.trials.push(refused);
        }
        Ok(())
    }

    fn no_control(&self) -> Trial {
        let why = "the controller knows no control by which a reset is held against the password policy";
        not_tried(Attempt::Reset, why)
    }

    /// Makes a user, and gives it a password.
    async fn person(&mut self, at: usize, container: &str, age: Age) -> Result<Person> {
        let name = self.made[at].clone();
        let dn = format!("CN={name},{container}");
        let made: Asked<Option<String>> = async {
            let attributes: [(&str, &[&str]); 4] = [
                ("objectClass", &["user"]),
                ("sAMAccountName", &[&name]),
                ("userAccountControl", &[NORMAL_DISABLED]),
                ("description", &[note::MARK]),
            ];
            self.admin.add(&dn, &attributes).await?;
            let entry = self.admin.read(&dn, &["msDS-ResultantPSO"]).await?;
            Ok(entry.and_then(|entry| entry.text("msDS-ResultantPSO").map(str::to_string)))
        }
        .await;
        let refused = |e: &DirectoryError| {
            let mut own = error(e);
            if own.status == Status::DirectoryRefused {
                own.message = format!("a disposable user cannot be made in {container}: {}", own.message);
                own = own.target(container).help("Connect to the directory (Connect-SsprDirectory) as an account that may create, enable and delete users there, or name another -Container.");
            }
            own
        };
        let fine_grained = made.map_err(|e| refused(&e))?;
        let policy = self.policy(fine_grained.as_deref());
        let password = password::good(policy.map_or(0, |policy| policy.minimum_length as usize))?;
        let ready = async {
            self.admin.set_password(&dn, &password, None).await?;
            self.admin
                .replace(&dn, "userAccountControl", &[NORMAL.as_bytes()])
                .await?;
            if age == Age::Due {
                self.admin.replace(&dn, "pwdLastSet", &[b"0"]).await?;
            }
            Ok(())
        };
        ready.await.map_err(|e| refused(&e))?;
        Ok(Person {
            dn,
            policy,
            fine_grained,
            password,
        })
    }

    /// The policy that counts; None where it cannot be seen.
    fn policy(&self, resultant: Option<&str>) -> Option<Policy> {
        match resultant {
            None => self.domain,
            Some(dn) => {
                let mut known = self.fine.iter().flatten();
                known
                    .find(|fine| fine.dn.eq_ignore_ascii_case(dn))
                    .map(|fine| fine.policy)
            }
        }
    }

    async fn number(&mut self, dn: &str, attribute: &str) -> Asked<i64> {
        let entry = self.admin.read(dn, &[attribute]).await?.unwrap_or_default();
        Ok(entry
            .text(attribute)
            .and_then(|text| text.parse().ok())
            .unwrap_or_default())
    }

    /// Signs in with a password, by a connection of its own. None where no password is sent over such a connection.
    async fn sign_in(&self, dn: &str, passwords: &[&str]) -> Asked<Option<std::result::Result<(), String>>> {
        let Some(address) = self
            .by
            .servers
            .first()
            .filter(|server| server.protection != Protection::Sealed)
        else {
            return Ok(None);
        };
        let mut connection = Connection::open(address, &self.by.options).await?;
        let mut last = Ok(());
        for password in passwords {
            last = match connection.bind(dn, password).await {
                Ok(()) => Ok(()),
                Err(error) => match error.sign_in_refusal() {
                    Some(why) => Err(why.to_string()),
                    None => return Err(error),
                },
            };
        }
        Ok(Some(last))
    }

    /// A reset, and what belongs to it.
    async fn reset(&mut self, person: &Person, hints: &str, trials: &mut Vec<Trial>) -> Result<()> {
        let new = password::good(person.policy.map_or(0, |policy| policy.minimum_length as usize))?;
        let tried: Asked<()> = async {
            let reset = self.connector.set_password(&person.dn, &new, Some(hints)).await;
            let mut reset = came(Attempt::Reset, reset)?;
            if reset.ended == Ended::Done {
                let signed_in = match self.sign_in(&person.dn, &[&new]).await? {
                    None => not_tried(Attempt::SignIn, "no password is sent over a connection without TLS"),
                    Some(Ok(())) => trial(Attempt::SignIn, Ended::Done, ""),
                    Some(Err(why)) => trial(Attempt::SignIn, Ended::Refused, why),
                };
                if self.number(&person.dn, "pwdLastSet").await? == 0 {
                    reset.reason = "pwdLastSet is 0 after it: the user must change the password again".into();
                }
                trials.push(reset);
                trials.push(signed_in);
            } else {
                trials.push(reset);
            }
            for (attempt, value) in [(Attempt::MustChange, "0"), (Attempt::Unexpire, "-1")] {
                trials.push(self.last_set(&person.dn, attempt, value).await?);
            }
            Ok(())
        }
        .await;
        tried.map_err(|e| error(&e))
    }

    /// Writes `pwdLastSet`, and looks whether it is there.
    async fn last_set(&mut self, dn: &str, attempt: Attempt, value: &str) -> Asked<Trial> {
        let written = self.connector.replace(dn, "pwdLastSet", &[value.as_bytes()]).await;
        let mut trial = came(attempt, written)?;
        if trial.ended == Ended::Done {
            let is_due = self.number(dn, "pwdLastSet").await? == 0;
            if is_due != (attempt == Attempt::MustChange) {
                trial.ended = Ended::NotKept;
            }
        }
        Ok(trial)
    }

    /// Ends a lockout, which wrong passwords have brought about where the domain locks anybody.
    async fn unlock(&mut self, at: usize, container: &str) -> Result<Trial> {
        let person = self.person(at, container, Age::Young).await?;
        let threshold = person.policy.map_or(0, |policy| policy.lockout_threshold);
        let mut seen = match (person.policy, threshold) {
            (None, _) => {
                "Nothing was locked, as the policy that counts could not be read: only the right is proven".into()
            }
            (_, 0) => "Nothing was locked, as the policy never locks anybody out: only the right is proven".into(),
            (_, MOST_WRONG..) => {
                format!("Nothing was locked, as that takes {threshold} wrong passwords: only the right is proven")
            }
            _ => String::new(),
        };
        let unlocked: Result<Trial> = async {
            if seen.is_empty() {
                let wrong: Result<Vec<_>> = (0..threshold).map(|_| password::good(0)).collect();
                let wrong = wrong?;
                let wrong: Vec<&str> = wrong.iter().map(|one| one.as_str()).collect();
                let tried = self.sign_in(&person.dn, &wrong).await.map_err(|e| error(&e))?;
                seen = match (tried, self.is_locked(&person.dn).await.map_err(|e| error(&e))?) {
                    (_, true) => format!("{threshold} wrong passwords had locked the user out"),
                    (None, _) => "Nothing was locked, as no password is sent over a connection without TLS: only the right is proven".into(),
                    (Some(_), false) => format!("{threshold} wrong passwords did not lock the user out: only the right is proven"),
                };
            }
            let was_locked = self.is_locked(&person.dn).await.map_err(|e| error(&e))?;
            let written = self.connector.replace(&person.dn, "lockoutTime", &[b"0"]).await;
            let mut trial = came(Attempt::Unlock, written).map_err(|e| error(&e))?;
            if trial.ended == Ended::Done {
                trial.reason = seen.clone();
                if was_locked && self.is_locked(&person.dn).await.map_err(|e| error(&e))? {
                    trial.ended = Ended::NotKept;
                }
            }
            Ok(trial)
        }
        .await;
        unlocked
    }

    async fn is_locked(&mut self, dn: &str) -> Asked<bool> {
        Ok(self.number(dn, "msDS-User-Account-Control-Computed").await? & LOCKED != 0)
    }

    /// What the password policy refuses.
    async fn against(
        &mut self,
        attempt: Attempt,
        policy: Policy,
        at: usize,
        container: &str,
        hints: &str,
    ) -> Result<Trial> {
        let asks = match attempt {
            Attempt::TooYoung => policy.minimum_age < 0,
            Attempt::FromHistory => policy.history > 0,
            _ => policy.minimum_length > 1,
        };
        if !asks {
            let why = match attempt {
                Attempt::TooYoung => "the policy has no minimum password age",
                Attempt::FromHistory => "the policy remembers no passwords",
                _ => "the policy asks for no length",
            };
            return Ok(not_tried(attempt, why));
        }
        let age = match attempt {
            Attempt::TooYoung => Age::Young,
            _ => Age::Due,
        };
        let person = self.person(at, container, age).await?;
        let length = policy.minimum_length as usize;
        let password = match attempt {
            Attempt::TooYoung => password::good(length)?,
            Attempt::FromHistory => person.password.clone(),
            _ => password::of_length(length - 1)?,
        };
        let reset = self.connector.set_password(&person.dn, &password, Some(hints)).await;
        came(attempt, reset).map_err(|e| error(&e))
    }

    /// What a unit without inheritance keeps the account from.
    async fn protected(&mut self, at: usize, container: &str, hints: &str) -> Result<Trial> {
        let attempt = Attempt::Protected;
        let name = self.made[UNIT].clone();
        let unit = format!("OU={name},{container}");
        let made: Asked<bool> = async {
            let attributes: [(&str, &[&str]); 2] =
                [("objectClass", &["organizationalUnit"]), ("description", &[note::MARK])];
            self.admin.add(&unit, &attributes).await?;
            let entry = self.admin.read(&unit, &["nTSecurityDescriptor"]).await?;
            let bytes = entry.as_ref().and_then(|entry| entry.value("nTSecurityDescriptor"));
            let Some(list) = bytes.and_then(|bytes| alone(bytes, self.own.as_ref())) else {
                return Ok(false);
            };
            self.admin.replace(&unit, "nTSecurityDescriptor", &[&list]).await?;
            Ok(true)
        }
        .await;
        match made {
            Ok(true) => {}
            Ok(false) => return Ok(not_tried(attempt, "the unit's security descriptor could not be read")),
            Err(DirectoryError::Refused { code, text }) => {
                let why = DirectoryError::Refused { code, text };
                return Ok(not_tried(
                    attempt,
                    format!("a unit could not be made in {container}: {why}"),
                ));
            }
            Err(e) => return Err(error(&e)),
        }
        let person = self.person(at, &unit, Age::Due).await?;
        let password = password::good(person.policy.map_or(0, |policy| policy.minimum_length as usize))?;
        let reset = self.connector.set_password(&person.dn, &password, Some(hints)).await;
        came(attempt, reset).map_err(|e| error(&e))
    }

    /// Tries what can be tried on a user who is somebody: in the end the user has the final password and must change it, or
    /// still has the one of before.
    pub async fn named(&mut self, dn: &str, password: &str, told: &mut WritebackProbe) -> Result<()> {
        let attributes = [
            "objectSid",
            "tokenGroups",
            "adminCount",
            "userAccountControl",
            "msDS-ResultantPSO",
        ];
        let entry = self
            .admin
            .read(dn, &attributes)
            .await
            .map_err(|e| error(&e))?
            .unwrap_or_default();
        let sid = entry.value("objectSid").and_then(Sid::read).map(Sid::keep);
        let groups: Vec<SidBuf> = entry
            .values("tokenGroups")
            .filter_map(Sid::read)
            .map(Sid::keep)
            .collect();
        let refused = |what: String| {
            let help =
                "Name a test user without rights over others, or leave -User out: disposable users are made then.";
            Err(Error::new(Status::ArgumentInvalid, what).target("user").help(help))
        };
        let Some(sid) = sid else {
            return refused(format!("{dn} cannot be read"));
        };
        if entry.text("adminCount") == Some("1") || protection(&sid, &groups) {
            return refused(format!(
                "{dn} is protected by AdminSDHolder, or was: administrators are not probed"
            ));
        }
        if [&self.own, &self.connector_sid]
            .into_iter()
            .flatten()
            .any(|own| *own == sid)
        {
            return refused(format!("{dn} is an account that this probe is signed in with"));
        }
        told.fine_grained = entry.text("msDS-ResultantPSO").map(str::to_string);
        told.policy = self.policy(told.fine_grained.as_deref()).as_ref().map(policy);
        let least = told.policy.as_ref().map_or(0, |policy| policy.minimum_length as usize);
        if password.encode_utf16().count() < least {
            let what = format!("the final password is shorter than the user's policy asks for: {least} characters");
            let help = "Give a longer one with -FinalPassword; nothing was tried.";
            return Err(Error::new(Status::ArgumentInvalid, what)
                .target("finalPassword")
                .help(help));
        }
        let control: i64 = entry
            .text("userAccountControl")
            .and_then(|text| text.parse().ok())
            .unwrap_or_default();
        told.disabled = control & DISABLED != 0;
        if told.disabled {
            told.trials.push(not_tried(Attempt::Reset, "the user is disabled"));
            return Ok(());
        }
        let Some(hints) = self.hints else {
            told.trials.push(self.no_control());
            return Ok(());
        };
        let tried: Asked<()> = async {
            self.context.progress("Unlocking the user", 0, Some(2));
            let was_locked = self.is_locked(dn).await?;
            let written = self.connector.replace(dn, "lockoutTime", &[b"0"]).await;
            let mut unlock = came(Attempt::Unlock, written)?;
            if unlock.ended == Ended::Done {
                unlock.reason = match was_locked {
                    true => "The user had been locked out".into(),
                    false => "The user was not locked out: only the right is proven".into(),
                };
                if was_locked && self.is_locked(dn).await? {
                    unlock.ended = Ended::NotKept;
                }
            }
            self.context.progress("Resetting the user's password", 1, Some(2));
            let reset = self.connector.set_password(dn, password, Some(hints)).await;
            let reset = came(Attempt::Reset, reset)?;
            let is_reset = reset.ended == Ended::Done;
            told.trials.extend([reset, unlock]);
            if is_reset {
                // The last of the two stays.
                for (attempt, value) in [(Attempt::Unexpire, "-1"), (Attempt::MustChange, "0")] {
                    told.trials.push(self.last_set(dn, attempt, value).await?);
                }
                if told.trials.last().is_some_and(|last| last.ended != Ended::Done) {
                    // Whoever knows the final password is not to keep it.
                    self.admin.replace(dn, "pwdLastSet", &[b"0"]).await?;
                }
            }
            Ok(())
        }
        .await;
        tried.map_err(|e| error(&e))
    }
}

/// A descriptor that inherits nothing: its own entries, and all rights for whoever is to remove the object again.
fn alone(bytes: &[u8], own: Option<&SidBuf>) -> Option<Vec<u8>> {
    let now = Descriptor::read(bytes).ok()?;
    let mut entries: Vec<Vec<u8>> = Vec::new();
    if let Some(own) = own {
        entries.push(allowing(flag::CONTAINER_INHERIT, FULL, None, None, own.sid()));
    }
    let kept = now.dacl()?;
    entries.extend(
        kept.aces()
            .filter(|ace| !ace.is_inherited())
            .map(|ace| ace.bytes.to_vec()),
    );
    let count = u16::try_from(entries.len()).ok()?;
    let bytes = entries.concat();
    let mut new = now.with_dacl(Acl::of(count, &bytes).ok()?);
    new[3] |= PROTECTED;
    Some(new)
}
