//! What users stand in: the containers of a domain, which hand entries down and part a scan into searches of its own.

use super::access::{Object, Token};
use super::descriptor::{Ace, Descriptor, Effect};
use super::ldap::{Connection, Depth, DirectoryError, Entry, escape};
use super::rights::{Guid, INET_ORG_PERSON, USER};
use super::scan::NEEDED;
use std::collections::{BTreeSet, HashMap};

/// The classes below which the schema that every forest begins with lets a user stand.
const SUPERIORS: [&str; 6] = [
    "organizationalUnit",
    "container",
    "builtinDomain",
    "domainDNS",
    "lostAndFound",
    "organization",
];
/// The classes that the scan takes for users, and those above them, which also say what they may stand below.
const USERS: &str = "(|(lDAPDisplayName=user)(lDAPDisplayName=inetOrgPerson)(lDAPDisplayName=organizationalPerson)\
                     (lDAPDisplayName=person)(lDAPDisplayName=top))";

/// In a unit's name these keep password writeback from finding who is below.
const RESERVED: &str = ",+\"\\<>;\r\n=/";

/// A domain's containers.
#[derive(Debug, Default)]
pub struct Containers {
    /// By their distinguished name in small letters.
    known: HashMap<String, Container>,
}

/// What counts of a container's descriptor.
#[derive(Debug)]
struct Container {
    dn: String,
    protected: bool,
    /// The entries of its own that deny, without their flags.
    denials: Vec<Box<[u8]>>,
    /// What it hands down, for each account.
    grants: Vec<Grants>,
    /// Its own name holds a character that writeback cannot take.
    reserved: bool,
}

impl Container {
    fn grants(&self, account: usize, right: &str, class: Guid, directly: bool) -> bool {
        let bit = Grants::bit(right, class, directly);
        self.grants.get(account).is_some_and(|grants| grants.0 & bit != 0)
    }
}

/// Which of the rights that a reset needs a container hands down to users of either class, a bit for each answer.
#[derive(Clone, Copy, Debug, Default)]
struct Grants(u16);

impl Grants {
    fn of(descriptor: Descriptor<'_>, token: &Token) -> Grants {
        let mut all = Grants::default();
        for class in [USER, INET_ORG_PERSON] {
            let container = Object {
                descriptor,
                class,
                sid: None,
            };
            for directly in [true, false] {
                let verdicts = container.handed_down(token, NEEDED.map(|right| right.want), directly);
                let granted = NEEDED.iter().zip(verdicts).filter(|(_, verdict)| verdict.is_allowed());
                for (right, _) in granted {
                    all.0 |= Grants::bit(right.name, class, directly);
                }
            }
        }
        all
    }

    fn bit(right: &str, class: Guid, directly: bool) -> u16 {
        let at = NEEDED.iter().position(|known| known.name == right);
        at.map_or(0, |at| {
            1 << (4 * at + 2 * usize::from(class == USER) + usize::from(directly))
        })
    }
}

/// A search of its own within a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where.
    pub base: String,
    /// How far below.
    pub depth: Depth,
}

/// The containers above an object, the nearest first.
#[derive(Debug, Default)]
pub struct Above<'c> {
    over: Vec<&'c Container>,
}

impl<'c> Above<'c> {
    /// The nearest whose name holds a character that writeback cannot take.
    pub fn reserved(&self) -> Option<&'c str> {
        let found = self.over.iter().find(|container| container.reserved);
        found.map(|container| container.dn.as_str())
    }

    /// The nearest that does not take its parent's entries, where these would grant an account a right on users of a class.
    pub fn cut_off(&self, account: usize, right: &str, class: Guid) -> Option<&'c str> {
        let pairs = self.over.iter().zip(self.over.iter().skip(1));
        let mut cut = pairs.filter(|(own, parent)| own.protected && parent.grants(account, right, class, false));
        cut.next().map(|(own, _)| own.dn.as_str())
    }

    /// Whether the nearest hands a right down to users of a class.
    pub fn grants(&self, account: usize, right: &str, class: Guid) -> bool {
        let nearest = self.over.first();
        nearest.is_some_and(|nearest| nearest.grants(account, right, class, true))
    }
}

impl Containers {
    /// Reads a domain's, and weighs what each hands down to these accounts.
    pub async fn read(connection: &mut Connection, root: &str, tokens: &[Token]) -> Result<Containers, DirectoryError> {
        let classes = superiors(connection).await?;
        let classes = classes
            .iter()
            .map(|class| format!("(objectClass={})", escape(class.as_str())));
        let filter = format!("(|{})", classes.collect::<String>());
        let attributes = ["nTSecurityDescriptor"];
        let add = |containers: &mut Containers, entry: &Entry| containers.add(entry, tokens);
        connection.fold(root, Depth::Subtree, &filter, &attributes, add).await
    }

    pub(super) fn add(&mut self, entry: &Entry, tokens: &[Token]) {
        let descriptor = entry.value("nTSecurityDescriptor").map(Descriptor::read);
        let Some(Ok(descriptor)) = descriptor else {
            self.keep(&entry.dn, false, Vec::new(), Vec::new());
            return;
        };
        let aces = descriptor.dacl().into_iter().flat_map(|dacl| dacl.aces());
        let denials = aces.filter(|ace| ace.effect == Some(Effect::Deny) && !ace.is_inherited());
        self.keep(
            &entry.dn,
            descriptor.is_protected(),
            denials.map(|ace| body(&ace)).collect(),
            tokens.iter().map(|token| Grants::of(descriptor, token)).collect(),
        );
    }

    fn keep(&mut self, dn: &str, protected: bool, denials: Vec<Box<[u8]>>, grants: Vec<Grants>) {
        let container = Container {
            dn: dn.into(),
            protected,
            denials,
            grants,
            reserved: is_reserved(dn),
        };
        self.known.insert(dn.to_lowercase(), container);
    }

    fn over<'s>(&'s self, dn: &str) -> impl Iterator<Item = &'s Container> {
        std::iter::successors(parent(dn), |dn| parent(dn)).filter_map(|dn| self.known.get(&dn.to_lowercase()))
    }

    /// The containers above an object.
    pub fn above(&self, dn: &str) -> Above<'_> {
        Above {
            over: self.over(dn).collect(),
        }
    }

    /// The container above an object on which an entry stands that was handed down.
    pub fn origin(&self, dn: &str, body: &[u8]) -> Option<String> {
        let found = self
            .over(dn)
            .find(|container| container.denials.iter().any(|known| **known == *body));
        found.map(|container| container.dn.clone())
    }

    /// Parts a domain into disjoint searches, as many as are wanted where there are so many containers: the fullest part
    /// is opened first.
    pub fn parts(&self, root: &str, wanted: usize) -> Vec<Part> {
        let mut children: HashMap<String, Vec<&str>> = HashMap::new();
        let mut below: HashMap<String, usize> = HashMap::new();
        for container in self.known.values() {
            let above = parent(&container.dn).unwrap_or_default().to_lowercase();
            children.entry(above).or_default().push(&container.dn);
            for dn in std::iter::successors(parent(&container.dn), |dn| parent(dn)) {
                *below.entry(dn.to_lowercase()).or_default() += 1;
            }
        }
        let weight = |dn: &str| below.get(&dn.to_lowercase()).copied().unwrap_or_default();
        let (mut opened, mut closed) = (Vec::new(), vec![root]);
        while opened.len() + closed.len() < wanted {
            let fullest = closed.iter().enumerate().max_by_key(|(_, dn)| weight(dn));
            let Some((at, _)) = fullest.filter(|(_, dn)| weight(dn) > 0) else {
                break;
            };
            let dn = closed.swap_remove(at);
            closed.extend(children.get(&dn.to_lowercase()).into_iter().flatten());
            opened.push(dn);
        }
        let part = |base: &str, depth| Part {
            base: base.into(),
            depth,
        };
        let mut parts: Vec<Part> = opened.iter().map(|dn| part(dn, Depth::Children)).collect();
        // The fullest first: they take the longest.
        closed.sort_by_key(|dn| (std::cmp::Reverse(weight(dn)), *dn));
        parts.extend(closed.iter().map(|dn| match weight(dn) {
            0 => part(dn, Depth::Children),
            _ => part(dn, Depth::Subtree),
        }));
        parts
    }
}

/// The classes below which the forest's schema lets a user stand.
async fn superiors(connection: &mut Connection) -> Result<BTreeSet<String>, DirectoryError> {
    let mut classes: BTreeSet<String> = SUPERIORS.map(String::from).into();
    let own = connection.read("", &["schemaNamingContext"]).await?;
    if let Some(schema) = own.as_ref().and_then(|own| own.text("schemaNamingContext")) {
        let attributes = ["possSuperiors", "systemPossSuperiors"];
        for class in connection.list(schema, Depth::Children, USERS, &attributes).await? {
            let named = attributes.iter().flat_map(|attribute| class.values(attribute));
            classes.extend(named.map(|name| String::from_utf8_lossy(name).into_owned()));
        }
    }
    Ok(classes)
}

/// What two entries have in common where one was handed down from the other: all but the flags.
pub fn body(ace: &Ace<'_>) -> Box<[u8]> {
    let mut body: Box<[u8]> = ace.bytes.into();
    body[1] = 0;
    body
}

/// The distinguished name of what an object stands in. A comma in a name is escaped.
pub fn parent(dn: &str) -> Option<&str> {
    split(dn).1
}

/// The distinguished name of the domain in which an object stands: the first above it that is a domain's.
pub fn domain_of(dn: &str) -> Option<&str> {
    let is_domain = |dn: &&str| dn.get(..3).is_some_and(|kind| kind.eq_ignore_ascii_case("dc="));
    std::iter::successors(parent(dn), |dn| parent(dn)).find(is_domain)
}

/// A distinguished name's first part, and the rest.
fn split(dn: &str) -> (&str, Option<&str>) {
    let mut escaped = false;
    for (at, character) in dn.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => return (&dn[..at], Some(&dn[at + 1..])),
            _ => {}
        }
    }
    (dn, None)
}

/// Whether the first part of a unit's name holds what writeback cannot take.
fn is_reserved(dn: &str) -> bool {
    let Some((kind, written)) = split(dn).0.split_once('=') else {
        return false;
    };
    if !kind.eq_ignore_ascii_case("OU") {
        return false;
    }
    let name = unescaped(written);
    name.starts_with([' ', '#']) || name.ends_with(' ') || name.contains(|character| RESERVED.contains(character))
}

/// A value of a distinguished name without its escapes (RFC 4514): `\,` or `\2C`.
pub fn unescaped(written: &str) -> String {
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let hex = rest.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        if let Some(byte) = hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            bytes.push(byte);
            rest = &rest[2..];
        } else if let [next, behind @ ..] = rest {
            bytes.push(*next);
            rest = behind;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(units: &[(&str, bool)]) -> Containers {
        let mut containers = Containers::default();
        for (dn, protected) in units {
            containers.keep(dn, *protected, Vec::new(), vec![Grants(u16::MAX)]);
        }
        containers
    }

    #[test]
    fn a_name_s_own_commas_are_no_borders() {
        assert_eq!(parent(r"CN=Smith\, Ann,OU=A,DC=x"), Some("OU=A,DC=x"));
        assert_eq!(parent(r"CN=a\\,OU=A"), Some("OU=A"));
        assert_eq!(parent("DC=x"), None);
        assert_eq!(domain_of(r"CN=dc=1\,dc=2,OU=A,dc=x,DC=y"), Some("dc=x,DC=y"));
        assert_eq!(domain_of("OU=A"), None);
    }

    #[test]
    fn the_nearest_container_above_counts() {
        let containers = of(&[
            ("DC=x", true),
            (r"OU=A\,,DC=x", true),
            (r"OU=B,OU=A\,,DC=x", true),
            (r"OU=C,OU=B,OU=A\,,DC=x", false),
        ]);
        let above = containers.above(r"CN=u,ou=c,OU=B,OU=A\,,DC=x");
        let cut_off = |account| above.cut_off(account, NEEDED[0].name, USER);
        assert_eq!(cut_off(0), Some(r"OU=B,OU=A\,,DC=x"));
        assert_eq!(above.reserved(), Some(r"OU=A\,,DC=x"));
        assert_eq!(cut_off(1), None, "of another account nothing is known");
        // Nothing stands above the root that could be handed down.
        assert_eq!(containers.above("CN=u,DC=x").cut_off(0, NEEDED[0].name, USER), None);
    }

    #[test]
    fn names_that_writeback_cannot_take_are_seen() {
        for dn in [
            r"OU=a\,b,DC=x",
            r"OU=\#a,DC=x",
            r"OU=a\20,DC=x",
            r"OU=a/b,DC=x",
            r"OU=a\0Ab,DC=x",
            "OU=a=b,DC=x",
        ] {
            assert!(is_reserved(dn), "{dn}");
        }
        for dn in ["OU=a b,DC=x", r"CN=a\,b,DC=x", "OU=a#b,DC=x", "DC=x"] {
            assert!(!is_reserved(dn), "{dn}");
        }
    }

    #[test]
    fn parts_are_disjoint_and_hold_everything() {
        let units: Vec<(String, bool)> = (0..5)
            .flat_map(|a| {
                (0..4)
                    .map(move |b| (format!("OU=b{b},OU=a{a},OU=All,DC=x"), false))
                    .chain([(format!("OU=a{a},OU=All,DC=x"), false)])
            })
            .chain([("OU=All,DC=x".to_string(), false), ("CN=Users,DC=x".to_string(), false)])
            .collect();
        let units: Vec<(&str, bool)> = units.iter().map(|(dn, protected)| (dn.as_str(), *protected)).collect();
        let containers = of(&units);
        for wanted in [1, 2, 3, 8, 16, 1000] {
            let parts = containers.parts("DC=x", wanted);
            assert!(parts.len() >= wanted.min(28), "{wanted}: {}", parts.len());
            for (dn, _) in &units {
                let user = format!("CN=u,{dn}");
                let covers = |part: &&Part| match part.depth {
                    Depth::Children => parent(&user) == Some(&part.base),
                    Depth::Subtree => user.ends_with(&part.base),
                };
                assert_eq!(parts.iter().filter(covers).count(), 1, "{user} of {wanted}");
            }
        }
    }
}
