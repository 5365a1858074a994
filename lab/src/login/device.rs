//! The device code flow.

use serde_json::{Value, json};

use super::LoginError;
use super::desk::{Device, DeviceState, SignIn};
use super::person::{blocked, person_tokens};
use super::resource::scopes;
use super::token::{client, unix_now};
use crate::core::Core;
use crate::guid::guid;
use crate::http::{Call, Form, Notes};

/// Answers `POST /{tenant}/oauth2/v2.0/devicecode`.
pub(super) fn device_code(core: &Core, call: &Call, tenant_name: &str, notes: &mut Notes) -> Result<Value, LoginError> {
    let form = call.form();
    let client_id = form.get("client_id").ok_or_else(|| LoginError::missing("client_id"))?;
    notes.app_id = Some(client_id.to_owned());
    let (tenant, app) = client(core, tenant_name, client_id, notes)?;
    let scope = form.get("scope").ok_or_else(|| LoginError::missing("scope"))?;
    scopes(core, scope)?;
    let serial = core.desk.serial();
    let code = guid(&["device", &serial.to_string()]);
    let user_code: String = code.replace('-', "").to_ascii_uppercase().chars().take(9).collect();
    let interval = core.options.device_interval_seconds;
    #[allow(clippy::cast_precision_loss)]
    let interval_ms = interval as f64 * 1000.0;
    core.desk.keep_device(
        &code,
        Device {
            user_code: user_code.clone(),
            tenant: tenant.id.clone(),
            client_id: app.client_id,
            scope: scope.to_owned(),
            state: DeviceState::Pending,
            expires: unix_now() + 900,
            last_poll_ms: None,
            interval_ms,
        },
    );
    Ok(json!({
        "user_code": user_code,
        "device_code": code,
        "verification_uri": "https://login.microsoft.com/device",
        "expires_in": 900,
        "interval": interval,
        "message": format!("To sign in, use a web browser to open the page https://login.microsoft.com/device and enter the code {user_code} to authenticate."),
    }))
}

pub(super) fn by_device_code(
    core: &Core,
    call: &Call,
    form: &Form,
    tenant_name: &str,
    client_id: &str,
    notes: &mut Notes,
) -> Result<Value, LoginError> {
    let (_, app) = client(core, tenant_name, client_id, notes)?;
    let code = form
        .get("device_code")
        .ok_or_else(|| LoginError::missing("device_code"))?;
    let now_ms = core.log.now_ms();
    let device = core.desk.with_device(code, |device| {
        let too_soon = device
            .last_poll_ms
            .is_some_and(|last| now_ms - last < device.interval_ms * 0.9);
        device.last_poll_ms = Some(now_ms);
        if device.state == DeviceState::Pending && device.expires < unix_now() {
            device.state = DeviceState::Expired;
        }
        let seen = device.clone();
        if matches!(device.state, DeviceState::Approved(_)) {
            device.state = DeviceState::Used;
        }
        (seen, too_soon)
    });
    let error = |error, code, message| Err(LoginError::new(400, error, code, message));
    let Some((device, too_soon)) = device.filter(|(device, _)| device.client_id == app.client_id) else {
        return error("bad_verification_code", 70_018, "The verification code is not valid.");
    };
    match device.state {
        DeviceState::Pending if too_soon && core.options.slow_down => error(
            "slow_down",
            70_016,
            "OAuth 2.0 device flow error. The client polls too often.",
        ),
        DeviceState::Pending => error(
            "authorization_pending",
            70_016,
            "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
        ),
        DeviceState::Declined => error(
            "authorization_declined",
            70_000,
            "The end user denied the authorization request.",
        ),
        DeviceState::Expired => error(
            "expired_token",
            70_020,
            "The provided value for the input parameter 'device_code' is not valid. This device code has expired.",
        ),
        DeviceState::Used => error("invalid_grant", 54_005, "The device code was already redeemed."),
        DeviceState::Approved(upn) => {
            let tenant = core
                .tenant_called(&device.tenant)
                .ok_or_else(|| LoginError::no_tenant(&device.tenant))?;
            notes.tenant_id = Some(tenant.id.clone());
            if tenant.scenario.switches.device_code_refused {
                return Err(blocked());
            }
            let sign_in = SignIn {
                tenant: device.tenant,
                client_id: device.client_id,
                upn,
                scope: device.scope,
                nonce: None,
            };
            person_tokens(core, call, &tenant, &app, &sign_in)
        }
    }
}
