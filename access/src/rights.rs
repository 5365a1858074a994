//! What password writeback needs, by the names and GUIDs of the schema.

use super::descriptor::mask;
use uuid::Uuid;

/// A GUID as it stands on the wire.
pub type Guid = [u8; 16];

const fn guid(value: u128) -> Guid {
    Uuid::from_u128(value).to_bytes_le()
}

/// Class `user`.
pub const USER: Guid = guid(0xbf967aba_0de6_11d0_a285_00aa003049e2);
/// Class `inetOrgPerson`.
pub const INET_ORG_PERSON: Guid = guid(0x4828cc14_1437_45bc_9b07_ad6f015e5f28);
/// Class `domainDNS`.
pub const DOMAIN_DNS: Guid = guid(0x19195a5b_6da0_11d0_afd3_00c04fd930c9);
/// Property set `User-Account-Restrictions`, of which `pwdLastSet` is a member and `lockoutTime` is not.
pub const ACCOUNT_RESTRICTIONS: Guid = guid(0x4c164200_20c0_11d0_a768_00aa006e0529);

/// A right on an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// As Windows shows it.
    pub name: &'static str,
    /// What is asked for.
    pub want: Want,
}

/// What a right is to the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// A control access right.
    ControlAccess(Guid),
    /// The right to write an attribute.
    WriteProperty {
        /// The attribute's schemaIDGUID.
        attribute: Guid,
        /// Its attributeSecurityGUID: the property set that it is a member of.
        set: Option<Guid>,
    },
    /// The right to read all attributes.
    ReadProperties,
}

impl Want {
    /// The bits of an entry's mask each of which grants it.
    pub(crate) fn mask(&self) -> u32 {
        match self {
            Want::ControlAccess(_) => mask::CONTROL_ACCESS | mask::GENERIC_ALL,
            Want::WriteProperty { .. } => mask::WRITE_PROPERTY | mask::GENERIC_WRITE | mask::GENERIC_ALL,
            Want::ReadProperties => mask::READ_PROPERTY | mask::GENERIC_READ | mask::GENERIC_ALL,
        }
    }
}

/// `groupPolicyContainer`.
pub const GROUP_POLICY: Guid = guid(0xf30e3bc2_9ff0_11d1_b603_0000f80367c1);

/// Apply Group Policy (CN=Apply-Group-Policy), on a group policy object: whom it is for.
pub const APPLY_GROUP_POLICY: Right = Right {
    name: "Apply Group Policy",
    want: Want::ControlAccess(guid(0xedacfd8f_ffb3_11d1_b41d_00a0c968f939)),
};
/// Reset Password (CN=User-Force-Change-Password).
pub const RESET_PASSWORD: Right = Right {
    name: "Reset Password",
    want: Want::ControlAccess(guid(0x00299570_246d_11d0_a768_00aa006e0529)),
};
/// Change Password (CN=User-Change-Password).
pub const CHANGE_PASSWORD: Right = Right {
    name: "Change Password",
    want: Want::ControlAccess(guid(0xab721a53_1e2f_11d0_9819_00aa0040529b)),
};
/// Unexpire Password, on a domain's root.
pub const UNEXPIRE_PASSWORD: Right = Right {
    name: "Unexpire Password",
    want: Want::ControlAccess(guid(0xccc2dc7d_a6ad_4a7a_8846_c04e3cc53501)),
};
/// Write `lockoutTime`.
pub const WRITE_LOCKOUT_TIME: Right = Right {
    name: "Write lockoutTime",
    want: Want::WriteProperty {
        attribute: guid(0x28630ebf_41d5_11d1_a9c1_0000f80367c1),
        set: None,
    },
};
/// Write `pwdLastSet`.
pub const WRITE_PWD_LAST_SET: Right = Right {
    name: "Write pwdLastSet",
    want: Want::WriteProperty {
        attribute: guid(0xbf967a0a_0de6_11d0_a285_00aa003049e2),
        set: Some(ACCOUNT_RESTRICTIONS),
    },
};
