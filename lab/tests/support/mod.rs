//! A small HTTP client for the tests, over a lab of their own.
#![allow(dead_code)]

use serde_json::{Value, json};
use sspr_lab::{Lab, LabOptions, TenantInfo};

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn code(&self) -> String {
        let value = self.json();
        value["error"]["code"]
            .as_str()
            .or(value["error"].as_str())
            .unwrap_or_default()
            .to_owned()
    }
}

/// Sends one request; `Err` when the connection broke.
pub fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .into();
    let mut request = ureq::http::Request::builder()
        .method(method)
        .uri(url.replace(' ', "%20"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let sent = agent.run(request.body(body.to_owned()).map_err(|e| e.to_string())?);
    let mut response = sent.map_err(|error| error.to_string())?;
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let status = response.status().as_u16();
    let bytes = response
        .body_mut()
        .with_config()
        .limit(1 << 30)
        .read_to_vec()
        .map_err(|error| error.to_string())?;
    Ok(Answer {
        status,
        headers,
        text: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

/// A lab with what a test needs of its first tenant.
pub struct Bench {
    pub lab: Lab,
    pub tenant: TenantInfo,
    pub url: String,
}

impl Bench {
    pub fn new(scenario: &str) -> Self {
        Bench::with(LabOptions::scenario(scenario))
    }

    pub fn with(options: LabOptions) -> Self {
        let lab = Lab::start_blocking(options).unwrap();
        Bench {
            tenant: lab.tenant(0),
            url: lab.url(),
            lab,
        }
    }

    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
        let body: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        send(
            "POST",
            &format!("{}/{}{path}", self.url, self.tenant.tenant_id),
            &kind,
            &body.join("&"),
        )
        .unwrap()
    }

    pub fn token_answer(&self, fields: &[(&str, &str)]) -> Answer {
        self.form("/oauth2/v2.0/token", fields)
    }

    /// A token of the app `checker`.
    pub fn app_token(&self) -> String {
        let answer = self.token_answer(&[
            ("grant_type", "client_credentials"),
            ("client_id", &self.tenant.client_id),
            ("client_secret", &self.tenant.client_secret),
            ("scope", "https://graph.microsoft.com/.default"),
        ]);
        answer.json()["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("{}", answer.text))
            .to_owned()
    }

    /// A delegated token of a person by device code.
    pub fn person_token(&self, person: &str, client: &str, scope: &str) -> Answer {
        let upn = self.tenant.people[person]["upn"].as_str().unwrap();
        let started = self
            .form("/oauth2/v2.0/devicecode", &[("client_id", client), ("scope", scope)])
            .json();
        self.lab.approve_devices(upn);
        self.token_answer(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("client_id", client),
            ("device_code", started["device_code"].as_str().unwrap()),
        ])
    }

    pub fn graph_token(&self, person: &str) -> String {
        let client = "14d82eec-204b-4c2f-b7e8-296a70dab67e";
        let answer = self.person_token(person, client, "https://graph.microsoft.com/.default");
        answer.json()["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("{}", answer.text))
            .to_owned()
    }

    pub fn portal_token(&self, person: &str) -> Answer {
        let client = "1950a258-227b-4e31-a9cf-717495945fc2";
        self.person_token(
            person,
            client,
            "74658136-14ec-4630-ad9b-26e160ff0fc6/.default offline_access",
        )
    }

    pub fn get(&self, token: &str, path: &str) -> Answer {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.url)
        };
        send("GET", &url, &[("authorization", &format!("Bearer {token}"))], "").unwrap()
    }

    /// With `ConsistencyLevel: eventual`.
    pub fn get_eventual(&self, token: &str, path: &str) -> Answer {
        let url = format!("{}{path}", self.url);
        let headers = [
            ("authorization", &*format!("Bearer {token}")),
            ("ConsistencyLevel", "eventual"),
        ];
        send("GET", &url, &headers, "").unwrap()
    }

    pub fn batch(&self, token: &str, requests: &Value) -> Answer {
        let headers = [
            ("authorization", &*format!("Bearer {token}")),
            ("content-type", "application/json"),
        ];
        send(
            "POST",
            &format!("{}/v1.0/$batch", self.url),
            &headers,
            &json!({"requests": requests}).to_string(),
        )
        .unwrap()
    }

    /// All rows of a paged list.
    pub fn all(&self, token: &str, path: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let page = self.get(token, &path);
            assert_eq!(page.status, 200, "{}", page.text);
            let page = page.json();
            rows.extend(page["value"].as_array().unwrap().clone());
            next = page["@odata.nextLink"].as_str().map(str::to_owned);
        }
        rows
    }

    pub fn portal(&self, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        let headers = [
            ("authorization", &*format!("Bearer {token}")),
            ("x-ms-client-request-id", "8f0dd1b6-7a2c-4b52-9a36-0d2f1b8a9c11"),
            ("content-type", "application/json"),
        ];
        let body = if method == "GET" {
            String::new()
        } else {
            body.to_string()
        };
        send(method, &format!("{}/api/{path}", self.url), &headers, &body).unwrap()
    }

    /// A write to Graph; null sends no body.
    pub fn write(&self, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        self.try_write(token, method, path, body).unwrap()
    }

    /// The same; `Err` when the connection broke.
    pub fn try_write(&self, token: &str, method: &str, path: &str, body: &Value) -> Result<Answer, String> {
        let authorization = format!("Bearer {token}");
        let mut headers = vec![("authorization", &*authorization)];
        let mut text = String::new();
        if !body.is_null() {
            headers.push(("content-type", "application/json"));
            text = body.to_string();
        }
        send(method, &format!("{}{path}", self.url), &headers, &text)
    }

    /// Gives an app permissions, for tokens issued from now on.
    pub fn allow(&self, app: &str, permissions: &[&str]) {
        for permission in permissions {
            self.lab
                .control(
                    "POST",
                    "permissions/add",
                    &json!({"app": app, "permission": permission}),
                )
                .unwrap();
        }
    }

    pub fn assert_no_violations(&self) {
        let violations = self.lab.violations();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}
