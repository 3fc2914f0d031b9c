//! Hardware virtualisation or emulation.

/// How QEMU runs the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acceleration {
    /// Hardware virtualisation.
    Kvm,
    /// Emulation.
    Tcg,
}

impl Acceleration {
    /// `kvm` or `tcg`.
    pub fn name(self) -> &'static str {
        match self {
            Acceleration::Kvm => "kvm",
            Acceleration::Tcg => "tcg",
        }
    }

    /// Kernel parameters without which a guest may not start or may stop: on a busy host an emulated timer is late now and
    /// then, and the kernel panics over it ("IO-APIC + timer doesn't work"); and a one-shot timer that is lost leaves a
    /// processor idle for good ("rcu: Possible timer handling issue"), whereas a periodic one fires again.
    pub fn parameter(self) -> Option<&'static str> {
        match self {
            Acceleration::Kvm => None,
            Acceleration::Tcg => Some("no_timer_check nohz=off highres=off"),
        }
    }
}
