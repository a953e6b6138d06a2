"""All URLs under ``/accounts/``: allauth's names and paths, with this app's views where they differ."""

from allauth.account.urls import urlpatterns as account_patterns
from allauth.mfa.totp import views as totp_views
from django.urls import path

from portal.accounts import factor_views, views

OURS = {"account_email_verification_sent", "account_reauthenticate", "account_set_password"}
UNUSED = {"account_request_reauthentication_code", "account_confirm_reauthentication_code"}

urlpatterns = [
    *(pattern for pattern in account_patterns if pattern.name not in OURS | UNUSED),
    path("confirm-email/", views.EnterCodeView.as_view(), name="account_email_verification_sent"),
    path("reauthenticate/", factor_views.PasswordAgainView.as_view(), name="account_reauthenticate"),
    path("password/set/", views.SetPasswordView.as_view(), name="account_set_password"),
    path("sessions/others/", views.end_other_sessions, name="account_end_other_sessions"),
    path("profile/", views.edit_profile, name="account_profile"),
    path("notifications/", views.choose_mails, name="account_mails"),
    path("2fa/", views.SecurityView.as_view(), name="mfa_index"),
    path("2fa/authenticate/", factor_views.SecondStepView.as_view(), name="mfa_authenticate"),
    path("2fa/reauthenticate/", factor_views.CodeAgainView.as_view(), name="mfa_reauthenticate"),
    path("2fa/totp/activate/", factor_views.ActivateTotpView.as_view(), name="mfa_activate_totp"),
    path("2fa/totp/deactivate/", totp_views.deactivate_totp, name="mfa_deactivate_totp"),
    path("2fa/recovery-codes/", factor_views.GenerateCodesView.as_view(), name="mfa_generate_recovery_codes"),
    path("2fa/passkeys/add/", factor_views.AddPasskeyView.as_view(), name="mfa_add_webauthn"),
    path("2fa/passkeys/login/", factor_views.PasskeySignInView.as_view(), name="mfa_login_webauthn"),
    path("2fa/passkeys/signup/", factor_views.SignUpPasskeyView.as_view(), name="mfa_signup_webauthn"),
    path("2fa/passkeys/again/", factor_views.PasskeyAgainView.as_view(), name="mfa_reauthenticate_webauthn"),
    path("2fa/passkeys/<int:pk>/name/", factor_views.RenamePasskeyView.as_view(), name="mfa_edit_webauthn"),
    path("2fa/passkeys/<int:pk>/removal/", factor_views.RemovePasskeyView.as_view(), name="mfa_remove_webauthn"),
]
