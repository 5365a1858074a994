#!/usr/bin/env python3
"""Fills a provisioned domain from a file of cases. It runs beside the domain's database, while no controller runs.

    populate.py SMB_CONF CASES

CASES is a JSON document:
    units    [{name, in?, protected?, blocked?}]    organizational units; `in` is another unit's name; where `blocked`, group
             policy from above ends there
    users    [{name, account?, in?, count?, class?, attributes?, uac?, ageDays?}]   `{n}` in the names counts from 1; `ageDays` is
             the password's age
    groups   [{name, in?, count?, scope?, members}]      scope: global (the default), domainLocal, universal; `{1..9}` in a
             member's name is nine members
    members  {group: [member]}                   further members of groups that are there already
    names    {group: name}                       what groups are called that are there already, once all is done
    access   [{on, add?, repeat?, protected?, owner?}]    SDDL entries put in front of an object's list; {NAME} is that account's SID
    domains  [{name, dnsRoot}]                   further domains of the forest, as cross references
    policies [{name, precedence, minimumAgeDays, appliesTo}]    fine-grained password policies
    crowd    like users, and added last: who is there when a container's list changes is written anew one by one
    objects  [{guid, name, settings, registry?, version?, fileVersion?, flags?, link?, on?}]    group policy objects with a security
             template; `link` links it to `on` with these options, the last one wins
    dns      [{zone, name, address?, controller?}]    an address, or a controller to be found there
`on` is "" for the domain's root, a distinguished name below it, or an account's name.
"""

import json
import os
import re
import sys
import time

import ldb
from samba.auth import system_session
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
from samba.param import LoadParm
from samba.provision.sambadns import ARecord, SRVRecord
from samba.samdb import SamDB
from samba.sd_utils import SDUtils

DAY = 24 * 60 * 60 * 10_000_000
SCOPES = {"global": 0x2, "domainLocal": 0x4, "universal": 0x8}
SECURITY_ENABLED = -0x80000000
# The steps of 100 ns between 1601 and 1970.
UNIX = 116444736000000000
# Samba's own control to write what it else derives from a change of the password.
BYPASS = "local_oid:1.3.6.1.4.1.7165.4.3.12:0"
NORMAL_ACCOUNT = 0x200


def series(name):
    """`a{1..3}` as a1, a2, a3."""
    found = re.search(r"\{(\d+)\.\.(\d+)\}", name)
    if not found:
        return [name]
    return [name.replace(found[0], str(n)) for n in range(int(found[1]), int(found[2]) + 1)]


def escaped(name):
    """A name as a part of a distinguished name (RFC 4514)."""
    text = "".join("\\" + c if c in ',+"\\<>;=' else f"\\{ord(c):02x}" if ord(c) < 32 else c for c in name)
    return "\\" + text if text[:1] in ("#", " ") else text


class Domain:
    def __init__(self, conf):
        lp = LoadParm(conf)
        path = lp.private_path("sam.ldb")
        self.sysvol = lp.get("path", "sysvol")
        self.realm = lp.get("realm").lower()
        self.host = lp.get("netbios name")
        self.db = SamDB(url=path, session_info=system_session(), lp=lp)
        self.root = str(self.db.domain_dn())
        self.units = {}

    def place(self, item, default="CN=Users"):
        unit = item.get("in")
        return self.units[unit] if unit else f"{default},{self.root}"

    def account(self, name):
        query = f"(sAMAccountName={ldb.binary_encode(name)})"
        found = self.db.search(base=self.root, expression=query, attrs=["objectSid"])
        if len(found) != 1:
            raise SystemExit(f"{name}: there are {len(found)} accounts of that name")
        return found[0]

    def dn(self, on):
        if not on:
            return self.root
        return f"{on},{self.root}" if "=" in on else str(self.account(on).dn)

    def sid(self, name):
        return str(ndr_unpack(security.dom_sid, self.account(name)["objectSid"][0]))

    def service(self):
        """The name by which the controller's LDAP is known to Kerberos, which a service adds that does not run here."""
        message = ldb.Message(self.account(f"{self.host}$").dn)
        name = f"ldap/{self.host.lower()}.{self.realm}"
        message["name"] = ldb.MessageElement(name, ldb.FLAG_MOD_ADD, "servicePrincipalName")
        self.db.modify(message)

    def unit(self, item):
        above = self.units[item["in"]] if "in" in item else self.root
        dn = f"OU={escaped(item['name'])},{above}"
        self.db.add({"dn": dn, "objectClass": "organizationalUnit"})
        self.units[item["name"]] = dn
        if item.get("blocked"):
            message = ldb.Message(ldb.Dn(self.db, dn))
            message["gPOptions"] = ldb.MessageElement("1", ldb.FLAG_MOD_REPLACE, "gPOptions")
            self.db.modify(message)
        if item.get("protected"):
            self.access({"on": dn.removesuffix("," + self.root), "protected": True})

    def user(self, item, password):
        for n in range(1, item.get("count", 1) + 1):
            name = item["name"].replace("{n}", str(n))
            record = {
                "dn": f"CN={escaped(name)},{self.place(item)}",
                "objectClass": item.get("class", "user"),
                "sAMAccountName": item.get("account", name)[:20].replace("{n}", str(n)),
                "userPrincipalName": f"{item.get('account', name)}@example.test".replace("{n}", str(n)),
                "userAccountControl": str(item.get("uac", NORMAL_ACCOUNT)),
                "unicodePwd": f'"{password}"'.encode("utf-16-le"),
            }
            if item.get("class") == "inetOrgPerson":
                record["sn"] = name
            record.update(item.get("attributes", {}))
            self.db.add(record)
            if "ageDays" in item:
                message = ldb.Message(ldb.Dn(self.db, record["dn"]))
                when = str(UNIX + int(time.time()) * 10_000_000 - item["ageDays"] * DAY)
                message["pwdLastSet"] = ldb.MessageElement(when, ldb.FLAG_MOD_REPLACE, "pwdLastSet")
                self.db.modify(message, controls=[BYPASS])

    def group(self, item):
        kind = SCOPES[item.get("scope", "global")] + SECURITY_ENABLED
        for n in range(1, item.get("count", 1) + 1):
            name = item["name"].replace("{n}", str(n))
            dn = f"CN={name},{self.place(item)}"
            self.db.add({"dn": dn, "objectClass": "group", "sAMAccountName": name, "groupType": str(kind)})
            self.join(name, item.get("members", []))

    def stranger(self, sid):
        """Somebody of no domain, such as Authenticated Users, or of another: some are there from the beginning."""
        dn = f"CN={sid},CN=ForeignSecurityPrincipals,{self.root}"
        found = self.db.search(base=self.root, expression=f"(objectSid={sid})", attrs=[])
        return dn if found else f"<SID={sid}>"

    def join(self, group, members):
        names = [one for member in members for one in series(member)]
        who = [self.stranger(name) if name.startswith("S-1-") else str(self.account(name).dn) for name in names]
        if who:
            message = ldb.Message(self.account(group).dn)
            message["member"] = ldb.MessageElement(who, ldb.FLAG_MOD_ADD, "member")
            self.db.modify(message)

    def rename(self, group, name):
        old = self.account(group).dn
        message = ldb.Message(old)
        message["sAMAccountName"] = ldb.MessageElement(name, ldb.FLAG_MOD_REPLACE, "sAMAccountName")
        self.db.modify(message)
        # What stands in CN=Builtin keeps its place.
        if "CN=Builtin" not in str(old):
            self.db.rename(old, f"CN={name},{old.parent()}")

    def access(self, item):
        utils = SDUtils(self.db)
        dn = self.dn(item["on"])
        entries = "".join(item.get("add", []) * item.get("repeat", 1))
        while "{" in entries:
            front, rest = entries.split("{", 1)
            name, back = rest.split("}", 1)
            entries = front + self.sid(name) + back
        if entries:
            utils.dacl_prepend_aces(dn, entries)
        if "protected" in item or "owner" in item:
            descriptor = utils.read_sd_on_dn(dn)
            if item.get("protected"):
                descriptor.type |= security.SEC_DESC_DACL_PROTECTED
            if "owner" in item:
                descriptor.owner_sid = security.dom_sid(self.sid(item["owner"]))
            message = ldb.Message(ldb.Dn(self.db, dn))
            packed = ndr_pack(descriptor)
            message["sd"] = ldb.MessageElement(packed, ldb.FLAG_MOD_REPLACE, "nTSecurityDescriptor")
            self.db.modify(message)

    def domain(self, item):
        where = ",".join("DC=" + part for part in item["dnsRoot"].split("."))
        self.db.add({
            "dn": f"CN={item['name']},CN=Partitions,{self.db.get_config_basedn()}",
            "objectClass": "crossRef",
            "nCName": where,
            "nETBIOSName": item["name"],
            "dnsRoot": item["dnsRoot"],
            "systemFlags": "3",
        }, controls=["relax:0"])

    def policy(self, item):
        days = item["minimumAgeDays"]
        self.db.add({
            "dn": f"CN={item['name']},CN=Password Settings Container,CN=System,{self.root}",
            "objectClass": "msDS-PasswordSettings",
            "msDS-PasswordSettingsPrecedence": str(item["precedence"]),
            "msDS-PasswordReversibleEncryptionEnabled": "FALSE",
            "msDS-PasswordHistoryLength": "3",
            "msDS-PasswordComplexityEnabled": "TRUE",
            "msDS-MinimumPasswordLength": "8",
            "msDS-MinimumPasswordAge": str(-days * DAY),
            "msDS-MaximumPasswordAge": str(-(days + 90) * DAY),
            "msDS-LockoutThreshold": "0",
            "msDS-LockoutObservationWindow": str(-DAY),
            "msDS-LockoutDuration": str(-DAY),
            "msDS-PSOAppliesTo": [str(self.account(name).dn) for name in item["appliesTo"]],
        })

    def policy_object(self, item):
        dn = f"CN={item['guid']},CN=Policies,CN=System,{self.root}"
        version, below = item.get("version", 1), f"{self.realm}/Policies/{item['guid']}"
        self.db.add({
            "dn": dn,
            "objectClass": "groupPolicyContainer",
            "displayName": item["name"],
            "gPCFileSysPath": "\\\\" + self.realm + "\\sysvol\\" + below.replace("/", "\\"),
            "gPCFunctionalityVersion": "2",
            "versionNumber": str(version),
            "flags": str(item.get("flags", 0)),
        })
        folder = os.path.join(self.sysvol, below, "MACHINE/Microsoft/Windows NT/SecEdit")
        os.makedirs(folder)
        with open(os.path.join(self.sysvol, below, "GPT.INI"), "w", encoding="ascii", newline="\r\n") as file:
            file.write(f"[General]\nVersion={item.get('fileVersion', version)}\n")
        settings = "\r\n".join(f"{name} = {value}" for name, value in item["settings"].items())
        registry = "\r\n".join(f"{name}={value}" for name, value in item.get("registry", {}).items())
        text = f"[Unicode]\r\nUnicode=yes\r\n[System Access]\r\n{settings}\r\n[Registry Values]\r\n{registry}\r\n[Version]\r\nsignature=\"$CHICAGO$\"\r\nRevision=1\r\n"
        with open(os.path.join(folder, "GptTmpl.inf"), "wb") as file:
            file.write(b"\xff\xfe" + text.encode("utf-16-le"))
        if "link" in item:
            root = self.db.search(base=self.dn(item.get("on", "")), scope=ldb.SCOPE_BASE, attrs=["gPLink"])[0]
            links = str(root["gPLink"][0]) if "gPLink" in root else ""
            message = ldb.Message(root.dn)
            links += f"[LDAP://{dn};{item['link']}]"
            message["gPLink"] = ldb.MessageElement(links, ldb.FLAG_MOD_REPLACE, "gPLink")
            self.db.modify(message)

    def record(self, item):
        part = "Forest" if item["zone"].startswith("_msdcs.") else "Domain"
        dn = ldb.Dn(self.db, f"DC={item['name']},DC={item['zone']},CN=MicrosoftDNS,DC={part}DnsZones,{self.root}")
        packed = ndr_pack(ARecord(item["address"]) if "address" in item else SRVRecord(item["controller"], 389))
        message = ldb.Message(dn)
        try:
            self.db.search(base=dn, scope=ldb.SCOPE_BASE)
            message["dnsRecord"] = ldb.MessageElement([packed], ldb.FLAG_MOD_REPLACE, "dnsRecord")
            self.db.modify(message)
        except ldb.LdbError:
            message["objectClass"] = ldb.MessageElement(["top", "dnsNode"], ldb.FLAG_MOD_ADD, "objectClass")
            message["dnsRecord"] = ldb.MessageElement([packed], ldb.FLAG_MOD_ADD, "dnsRecord")
            self.db.add(message)


def main():
    conf, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        cases = json.load(file)
    domain = Domain(conf)
    # One transaction: a domain is filled whole or not at all.
    domain.db.transaction_start()
    try:
        domain.service()
        for unit in cases.get("units", []):
            domain.unit(unit)
        for user in cases.get("users", []):
            domain.user(user, cases["password"])
        for group in cases.get("groups", []):
            domain.group(group)
        for group, members in cases.get("members", {}).items():
            domain.join(group, members)
        for access in cases.get("access", []):
            domain.access(access)
        for item in cases.get("domains", []):
            domain.domain(item)
        for policy in cases.get("policies", []):
            domain.policy(policy)
        for item in cases.get("objects", []):
            domain.policy_object(item)
        for item in cases.get("dns", []):
            domain.record(item)
        for user in cases.get("crowd", []):
            domain.user(user, cases["password"])
        for group, name in cases.get("names", {}).items():
            domain.rename(group, name)
    except BaseException:
        domain.db.transaction_cancel()
        raise
    domain.db.transaction_commit()


if __name__ == "__main__":
    main()
