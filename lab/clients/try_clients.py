#!/usr/bin/env python3
"""Signs in to the lab with Microsoft's own clients for Python, in every form of credential.

    python3 -m venv .venv && .venv/bin/pip install msal azure-identity requests
    .venv/bin/python lab/clients/try_clients.py target/debug/sspr-lab

One line a form; `N passed, N failed` at the end; exit code 1 when one failed.
"""

import base64
import contextlib
import hashlib
import html
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import traceback
import urllib.parse
import uuid
import webbrowser

import azure.identity
import msal
import requests

GRAPH = "https://graph.microsoft.com/.default"
GRAPH_CLI = "14d82eec-204b-4c2f-b7e8-296a70dab67e"
AZURE_POWERSHELL = "1950a258-227b-4e31-a9cf-717495945fc2"
PORTAL = "74658136-14ec-4630-ad9b-26e160ff0fc6"
ARC_TOKENS = pathlib.Path("/var/opt/azcmagent/tokens")


class Lab:
    """The lab as a child process; it ends when its standard input closes."""

    def __init__(self, program, *arguments):
        self.process = subprocess.Popen(
            [program, "--https", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ready = json.loads(self.process.stdout.readline())
        self.url = self.ready["url"]
        self.https = self.ready["httpsUrl"]
        self.ca = self.ready["caFile"]
        self.tenant = self.ready["tenants"][0]
        self.id = self.tenant["tenantId"]
        self.authority = f"{self.https}/{self.id}"

    def control(self, method, action, body=None):
        answer = requests.request(
            method, f"{self.url}/_lab/{action}", json=body, headers={"x-lab-key": self.ready["controlKey"]}, timeout=10
        )
        answer.raise_for_status()
        return answer.json()

    def graph(self, token, path="/v1.0/organization?$select=id"):
        return requests.get(f"{self.https}{path}", headers={"Authorization": f"Bearer {token}"}, verify=self.ca, timeout=10)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)


class Browser(webbrowser.BaseBrowser):
    """Opens the sign-in page and presses its button."""

    def __init__(self, ca):
        super().__init__("lab")
        self.ca = ca
        self.upn = None

    def open(self, url, new=0, autoraise=True):
        threading.Thread(target=self.sign_in, args=(url,), daemon=True).start()
        return True

    def sign_in(self, url):
        page = requests.get(url, verify=self.ca, timeout=10).text
        action = html.unescape(re.search(r'action="([^"]*)"', page).group(1))
        fields = re.findall(r'name="([^"]*)" value="([^"]*)"', page)
        requests.post(action, data={name: html.unescape(value) for name, value in fields}, timeout=10)


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def token_of(answer):
    check("access_token" in answer, answer)
    return answer["access_token"]


def claims_of(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


@contextlib.contextmanager
def environment(**values):
    names = ["IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IMDS_ENDPOINT", "MSI_ENDPOINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST"]
    saved = {name: os.environ.pop(name, None) for name in names}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
            if saved[name] is not None:
                os.environ[name] = saved[name]


class Tries:
    """One method a form."""

    def __init__(self, lab, app_service):
        self.lab = lab
        self.app_service = app_service
        self.key = pathlib.Path(lab.ready["keyFile"]).read_text()
        self.certificate = pathlib.Path(lab.ready["certificateFile"]).read_text()
        self.browser = Browser(lab.ca)
        webbrowser.register("lab", None, self.browser, preferred=True)

    def confidential(self, credential, **more):
        return msal.ConfidentialClientApplication(
            self.lab.tenant["clientId"], client_credential=credential, authority=more.pop("authority", self.lab.authority),
            verify=self.lab.ca, instance_discovery=False, **more,
        )

    def public(self, client=GRAPH_CLI, **more):
        return msal.PublicClientApplication(
            client, authority=more.pop("authority", self.lab.authority), verify=self.lab.ca, instance_discovery=False, **more
        )

    def azure(self, kind, *arguments, **more):
        return kind(
            *arguments, authority=self.lab.https, disable_instance_discovery=True, connection_verify=self.lab.ca, **more
        )

    def app_works(self, token):
        claims = claims_of(token)
        check(claims["tid"] == self.lab.id and "Policy.Read.All" in claims["roles"], claims)
        check(self.lab.graph(token).status_code == 200, "Graph refused the token")

    def person_works(self, token, upn="ada@contoso.example"):
        check(claims_of(token)["upn"] == upn, claims_of(token))
        check(self.lab.graph(token, "/v1.0/me").json()["userPrincipalName"] == upn, "Graph names somebody else")

    # Apps

    def msal_client_secret(self):
        self.app_works(token_of(self.confidential(self.lab.tenant["clientSecret"]).acquire_token_for_client([GRAPH])))

    def msal_client_secret_by_domain(self):
        app = self.confidential(self.lab.tenant["clientSecret"], authority=f"{self.lab.https}/contoso.example")
        self.app_works(token_of(app.acquire_token_for_client([GRAPH])))

    def msal_certificate_rs256(self):
        der = base64.b64decode("".join(self.certificate.strip().splitlines()[1:-1]))
        credential = {"private_key": self.key, "thumbprint": hashlib.sha1(der).hexdigest()}
        self.app_works(token_of(self.confidential(credential).acquire_token_for_client([GRAPH])))

    def msal_certificate_ps256(self):
        credential = {"private_key": self.key, "public_certificate": self.certificate}
        self.app_works(token_of(self.confidential(credential).acquire_token_for_client([GRAPH])))

    def msal_certificate_ps256_refused(self):
        self.lab.control("POST", "faults", {"path": f"/{self.lab.id}/oauth2", "count": 1, "kind": "refusePs256"})
        credential = {"private_key": self.key, "public_certificate": self.certificate}
        answer = self.confidential(credential).acquire_token_for_client([GRAPH])
        check(answer.get("error") == "invalid_request" and 5002738 in answer["error_codes"], answer)

    def msal_workload_identity(self):
        assertion = self.outside_assertion()
        self.app_works(token_of(self.confidential({"client_assertion": assertion}).acquire_token_for_client([GRAPH])))

    def outside_assertion(self):
        return self.lab.control("POST", "assertion", {
            "issuer": "https://token.actions.example", "subject": "repo:contoso/sspr:ref:refs/heads/main",
            "audience": "api://AzureADTokenExchange",
        })["assertion"]

    def msal_managed_identity_as_federated_credential(self):
        identity = self.lab.tenant["apps"]["identity-user"]["clientId"]
        with environment(AZURE_POD_IDENTITY_AUTHORITY_HOST=self.lab.url):
            client = msal.ManagedIdentityClient(
                msal.UserAssignedManagedIdentity(client_id=identity), http_client=requests.Session()
            )
            assertion = token_of(client.acquire_token_for_client(resource="api://AzureADTokenExchange"))
        self.app_works(token_of(self.confidential({"client_assertion": assertion}).acquire_token_for_client([GRAPH])))

    def azure_client_secret(self):
        credential = self.azure(
            azure.identity.ClientSecretCredential, self.lab.id, self.lab.tenant["clientId"], self.lab.tenant["clientSecret"]
        )
        self.app_works(credential.get_token(GRAPH).token)

    def azure_certificate(self):
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(self.key + self.certificate)
            file.flush()
            credential = self.azure(
                azure.identity.CertificateCredential, self.lab.id, self.lab.tenant["clientId"], certificate_path=file.name
            )
            self.app_works(credential.get_token(GRAPH).token)

    def azure_workload_identity(self):
        with tempfile.NamedTemporaryFile("w", suffix=".jwt") as file:
            file.write(self.outside_assertion())
            file.flush()
            credential = self.azure(
                azure.identity.WorkloadIdentityCredential, tenant_id=self.lab.id, client_id=self.lab.tenant["clientId"],
                token_file_path=file.name,
            )
            self.app_works(credential.get_token(GRAPH).token)

    def azure_client_assertion(self):
        credential = self.azure(
            azure.identity.ClientAssertionCredential, self.lab.id, self.lab.tenant["clientId"], self.outside_assertion
        )
        self.app_works(credential.get_token(GRAPH).token)

    # Managed identity

    def managed_identity(self, lab, identity=None, **variables):
        with environment(**variables):
            client = msal.ManagedIdentityClient(
                identity or msal.SystemAssignedManagedIdentity(), http_client=requests.Session()
            )
            answer = client.acquire_token_for_client(resource="https://graph.microsoft.com/")
            check(lab.graph(token_of(answer)).status_code == 200, answer)
            credential = azure.identity.ManagedIdentityCredential(
                client_id=identity["Id"] if identity else None
            )
            check(lab.graph(credential.get_token(GRAPH).token).status_code == 200, "azure-identity's token was refused")

    def managed_identity_automation(self):
        self.managed_identity(
            self.lab, IDENTITY_ENDPOINT=f"{self.lab.url}/msi/token", IDENTITY_HEADER=self.lab.ready["identityHeader"]
        )

    def managed_identity_app_service(self):
        self.managed_identity(
            self.app_service, IDENTITY_ENDPOINT=f"{self.app_service.url}/msi/token",
            IDENTITY_HEADER=self.app_service.ready["identityHeader"],
        )

    def managed_identity_virtual_machine(self):
        self.managed_identity(self.lab, AZURE_POD_IDENTITY_AUTHORITY_HOST=self.lab.url)

    def managed_identity_virtual_machine_user_assigned(self):
        identity = msal.UserAssignedManagedIdentity(client_id=self.lab.tenant["apps"]["identity-user"]["clientId"])
        self.managed_identity(self.lab, identity, AZURE_POD_IDENTITY_AUTHORITY_HOST=self.lab.url)

    def managed_identity_arc(self):
        file = ARC_TOKENS / f"{uuid.uuid4()}.key"
        made = not ARC_TOKENS.exists()
        ARC_TOKENS.mkdir(parents=True, exist_ok=True)
        try:
            file.write_text("a-key-of-the-lab")
            self.lab.control("POST", "arc", {"file": str(file)})
            self.managed_identity(
                self.lab, IDENTITY_ENDPOINT=f"{self.lab.url}/arc/metadata/identity/oauth2/token", IMDS_ENDPOINT=self.lab.url
            )
        finally:
            file.unlink(missing_ok=True)
            self.lab.control("POST", "arc", {})
            if made:
                ARC_TOKENS.rmdir()

    def managed_identity_unknown(self):
        with environment(AZURE_POD_IDENTITY_AUTHORITY_HOST=self.lab.url):
            client = msal.ManagedIdentityClient(
                msal.UserAssignedManagedIdentity(client_id=str(uuid.uuid4())), http_client=requests.Session()
            )
            answer = client.acquire_token_for_client(resource="https://graph.microsoft.com/")
            check("error" in answer, answer)

    # People

    def device_flow(self, then, app=None, scopes=("User.Read",)):
        app = app or self.public()
        flow = app.initiate_device_flow(list(scopes))
        check("user_code" in flow, flow)
        then(flow)
        return app, app.acquire_token_by_device_flow(flow)

    def approve(self, upn="ada@contoso.example"):
        return lambda flow: self.lab.control("POST", "devices/approve", {"userCode": flow["user_code"], "upn": upn})

    def msal_device_code(self):
        def later(flow):
            threading.Timer(1.5, self.approve(), [flow]).start()

        app, answer = self.device_flow(later)
        self.person_works(token_of(answer))
        check(answer["id_token_claims"]["preferred_username"] == "ada@contoso.example", answer["id_token_claims"])
        check(app.get_accounts()[0]["username"] == "ada@contoso.example", app.get_accounts())

    def msal_device_code_declined(self):
        _, answer = self.device_flow(lambda flow: self.lab.control("POST", "devices/decline", {"userCode": flow["user_code"]}))
        check(answer.get("error") == "authorization_declined", answer)

    def msal_device_code_expired(self):
        _, answer = self.device_flow(lambda flow: self.lab.control("POST", "devices/expire", {"userCode": flow["user_code"]}))
        check(answer.get("error") == "expired_token", answer)

    def msal_refresh(self):
        app, answer = self.device_flow(self.approve())
        first = token_of(answer)
        again = app.acquire_token_silent(["User.Read"], account=app.get_accounts()[0], force_refresh=True)
        check(again and token_of(again) != first, again)
        self.person_works(again["access_token"])

    def msal_refresh_for_another_resource(self):
        app, _ = self.device_flow(self.approve(), self.public(AZURE_POWERSHELL))
        answer = app.acquire_token_silent([f"{PORTAL}/.default"], account=app.get_accounts()[0])
        check(answer and claims_of(token_of(answer))["aud"] == PORTAL, answer)

    def msal_portal_refuses_other_clients(self):
        app = self.public(self.lab.tenant["clientId"])
        _, answer = self.device_flow(self.approve(), app, [f"{PORTAL}/.default"])
        check(65002 in answer.get("error_codes", []), answer)

    def msal_interactive(self):
        app = self.public()
        answer = app.acquire_token_interactive(["User.Read"], prompt="select_account", login_hint="ulla@contoso.example", timeout=20)
        self.person_works(token_of(answer), "ulla@contoso.example")
        check(answer["id_token_claims"]["tid"] == self.lab.id, answer["id_token_claims"])

    def msal_interactive_with_own_app_at_organizations(self):
        app = self.public(self.lab.tenant["clientId"], authority=f"{self.lab.https}/organizations")
        answer = app.acquire_token_interactive(["User.Read"], login_hint="ada@contoso.example", timeout=20)
        self.person_works(token_of(answer))

    def msal_interactive_refused(self):
        self.lab.control("POST", "sign-in", {"error": "the person pressed cancel"})
        answer = self.public().acquire_token_interactive(["User.Read"], timeout=20)
        check(answer.get("error") == "access_denied", answer)

    def msal_interactive_claims(self):
        app = self.public(client_capabilities=["cp1"])
        challenge = json.dumps({"access_token": {"nbf": {"essential": True, "value": "1764000000"}}})
        answer = app.acquire_token_interactive(["User.Read"], claims_challenge=challenge, timeout=20)
        self.person_works(token_of(answer))

    def azure_device_code(self):
        def prompt(_uri, code, _expires):
            self.lab.control("POST", "devices/approve", {"userCode": code, "upn": "ada@contoso.example"})

        credential = self.azure(
            azure.identity.DeviceCodeCredential, GRAPH_CLI, tenant_id=self.lab.id, prompt_callback=prompt
        )
        self.person_works(credential.get_token("https://graph.microsoft.com/User.Read").token)

    def azure_interactive_browser(self):
        credential = self.azure(
            azure.identity.InteractiveBrowserCredential, tenant_id=self.lab.id, client_id=GRAPH_CLI,
            login_hint="ada@contoso.example",
        )
        self.person_works(credential.get_token("https://graph.microsoft.com/User.Read").token)

    # Errors

    def wrong_secret(self):
        answer = self.confidential("wrong").acquire_token_for_client([GRAPH])
        check(answer.get("error") == "invalid_client" and 7000215 in answer["error_codes"], answer)

    def expired_secret(self):
        answer = self.confidential("lab~secret.that-has-expired").acquire_token_for_client([GRAPH])
        check(7000222 in answer.get("error_codes", []), answer)

    def wrong_tenant(self):
        try:
            app = self.confidential("x", authority=f"{self.lab.https}/{uuid.uuid4()}")
            answer = app.acquire_token_for_client([GRAPH])
        except ValueError as error:
            check("tenant" in str(error).lower(), error)
        else:
            check(90002 in answer.get("error_codes", []), answer)

    def unknown_client(self):
        app = self.public(str(uuid.uuid4()))
        flow = app.initiate_device_flow(["User.Read"])
        check(flow.get("error") == "unauthorized_client", flow)

    def certificate_that_is_not_registered(self):
        credential = {"private_key": self.key, "thumbprint": "00" * 20}
        answer = self.confidential(credential).acquire_token_for_client([GRAPH])
        check(700027 in answer.get("error_codes", []), answer)

    def scope_that_is_not_default(self):
        answer = requests.post(f"{self.lab.authority}/oauth2/v2.0/token", verify=self.lab.ca, timeout=10, data={
            "client_id": self.lab.tenant["clientId"], "client_secret": self.lab.tenant["clientSecret"],
            "grant_type": "client_credentials", "scope": "https://graph.microsoft.com/User.Read",
        }).json()
        check(1002012 in answer["error_codes"], answer)

    def untrusted_ca(self):
        try:
            requests.get(f"{self.lab.https}/common/discovery/instance", timeout=10)
        except requests.exceptions.SSLError:
            return
        raise AssertionError("the certificate was accepted")

    def certificates_that_do_not_fit(self):
        for name in ("wrongNameUrl", "expiredUrl"):
            try:
                requests.get(f"{self.lab.ready[name]}/common/discovery/instance", verify=self.lab.ca, timeout=10)
            except requests.exceptions.SSLError:
                continue
            raise AssertionError(f"the certificate of {name} was accepted")


def main():
    # These would take the place of the CA that each client is given.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        os.environ.pop(name, None)
    program = sys.argv[1] if len(sys.argv) > 1 else "target/debug/sspr-lab"
    labs = [Lab(program, "--bad-certificates"), Lab(program, "--app-service")]
    passed = failed = 0
    try:
        tries = Tries(*labs)
        for name in [name for name in vars(Tries) if name.startswith(("msal_", "azure_", "managed_identity_"))] + [
            "wrong_secret", "expired_secret", "wrong_tenant", "unknown_client", "certificate_that_is_not_registered",
            "scope_that_is_not_default", "untrusted_ca", "certificates_that_do_not_fit",
        ]:
            try:
                getattr(tries, name)()
                print(f"ok    {name}", flush=True)
                passed += 1
            except Exception as error:  # each form is tried whatever the others do
                print(f"FAIL  {name}: {type(error).__name__}: {str(error)[:600]}", flush=True)
                if os.environ.get("LAB_TRACE"):
                    traceback.print_exc()
                failed += 1
        for lab in labs:
            for violation in lab.control("GET", "violations"):
                print("note  the lab would have refused:", violation["address"][:120], "|", violation["message"][:160])
    finally:
        for lab in labs:
            lab.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
