"""Astrocyte whose calcium makes slow inward currents in neurons."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxnest.neurons._base import Env, Inputs, Neuron, Parameter, State, Values
from jaxnest.neurons._ode import STEP_SIZE, integrate


class astrocyte_lr_1994(Neuron):
    r"""An astrocyte with IP3-mediated exchange of calcium between its endoplasmic reticulum (ER) and its cytosol.

        d IP3/dt = (IP3_0 - IP3) / tau_IP3;  an arriving event of weight W >= 0 adds delta_IP3 W
        d Ca/dt = J_channel - J_pump + J_leak + J_noise
        dh/dt = k_IP3R Kd_inh (IP3 + Kd_IP3_1) / (IP3 + Kd_IP3_2) (1 - h) - k_IP3R Ca h

        J_channel = r rate_IP3R (m n h)^3 (Ca_ER - Ca),   m = IP3 / (IP3 + Kd_IP3_1),   n = Ca / (Ca + Kd_act)
        J_pump = rate_SERCA Ca^2 / (Km_SERCA^2 + Ca^2),   J_leak = r rate_L (Ca_ER - Ca),   Ca_ER = (Ca_tot - Ca) / r

    r is `ratio_ER_cyt`; J_noise is what current generators deliver, in µM/ms. Ca is kept between 0 and Ca_tot. It spikes not, but emits
    the slow inward current SIC_scale ln(y) for y = 1000 (Ca - SIC_th) / µM > 1, else 0, which `sic_connection` carries. Solved numerically. An event
    of negative weight makes IP3 NaN, which a `Simulation` reports.

    Source: Li & Rinzel (1994), J Theor Biol 166:461; De Young & Keizer (1992), PNAS 89:9895; Nadkarni & Jung (2003), Phys Rev Lett 91:268101.
    """

    tau_minus = tau_minus_triplet = None  # type: ignore[assignment]  # it does not spike

    Ca_tot = Parameter(2.0, "µM", "total free calcium, in terms of the cytosol's volume", gt=0)
    IP3_0 = Parameter(0.16, "µM", "concentration of IP3 without input", ge=0)
    Kd_IP3_1 = Parameter(0.13, "µM", "first dissociation constant of IP3", gt=0)
    Kd_IP3_2 = Parameter(0.9434, "µM", "second dissociation constant of IP3", gt=0)
    Kd_act = Parameter(0.08234, "µM", "dissociation constant of calcium, activation", gt=0)
    Kd_inh = Parameter(1.049, "µM", "dissociation constant of calcium, inhibition", ge=0)
    Km_SERCA = Parameter(0.1, "µM", "half-activation of the SERCA pump", gt=0)
    SIC_scale = Parameter(1.0, "", "scale of the slow inward current", gt=0)
    SIC_th = Parameter(0.19669, "µM", "calcium above which there is a slow inward current", ge=0)
    delta_IP3 = Parameter(0.0002, "µM", "what an event of weight 1 adds to IP3", ge=0)
    k_IP3R = Parameter(0.0002, "1/(µM ms)", "binding constant of calcium inhibition", ge=0)
    rate_IP3R = Parameter(0.006, "1/ms", "highest rate of release by IP3 receptors", ge=0)
    rate_L = Parameter(0.00011, "1/ms", "rate of the leak from the ER", ge=0)
    rate_SERCA = Parameter(0.0009, "µM/ms", "highest rate of uptake by the SERCA pump", ge=0)
    ratio_ER_cyt = Parameter(0.185, "", "volume of the ER relative to the cytosol's", gt=0)
    tau_IP3 = Parameter(7142.0, "ms", "time constant of IP3", gt=0)

    IP3 = State("IP3_0", "µM", "concentration of IP3 in the cytosol", ge=0)
    Ca_astro = State(0.073, "µM", "concentration of calcium in the cytosol", ge=0)
    h_IP3R = State(0.793, "", "fraction of IP3 receptors that calcium has not inactivated", ge=0, le=1)
    J_noise = State(0.0, "µM/ms", "current of generators, acting in the next step")
    SIC = State(0.0, "pA", "slow inward current at the end of the last step")
    step_size = STEP_SIZE
    residue = State(0.0, "µM", "what rounding took from IP3, Ca_astro and h_IP3R", dim=3)

    recordables = ("IP3", "Ca_astro", "h_IP3R")
    sends = False
    emits = ("sic",)
    emits_new = True

    @staticmethod
    def signal(p: Values, k: Values, s: Values, env: Env) -> Values:
        return Values(sic=s.SIC)

    @staticmethod
    def step(p: Values, k: Values, s: Values, x: Inputs, env: Env) -> tuple[Values, Any]:
        def rates(s: Values) -> Values:
            Ca, h = jnp.clip(s.Ca_astro, 0.0, p.Ca_tot), s.h_IP3R
            m, n = s.IP3 / (s.IP3 + p.Kd_IP3_1), Ca / (Ca + p.Kd_act)
            gradient = (p.Ca_tot - Ca) / p.ratio_ER_cyt - Ca
            J_channel = p.ratio_ER_cyt * p.rate_IP3R * (m * n * h) ** 3 * gradient
            J_pump = p.rate_SERCA * Ca**2 / (p.Km_SERCA**2 + Ca**2)
            J_leak = p.ratio_ER_cyt * p.rate_L * gradient
            freed = p.k_IP3R * p.Kd_inh * (s.IP3 + p.Kd_IP3_1) / (s.IP3 + p.Kd_IP3_2)
            return Values(
                IP3=(p.IP3_0 - s.IP3) / p.tau_IP3,
                Ca_astro=J_channel - J_pump + J_leak + s.J_noise,
                h_IP3R=freed * (1 - h) - p.k_IP3R * Ca * h,
            )

        s, _ = integrate(rates, s, env, precise=("IP3", "Ca_astro", "h_IP3R"))
        Ca = jnp.clip(s.Ca_astro, 0.0, p.Ca_tot)
        y = 1000.0 * (Ca - p.SIC_th)
        flows = y > 1.0
        new = s.replace(
            IP3=jnp.where(x.inh < 0, jnp.nan, s.IP3 + p.delta_IP3 * x.ex),
            Ca_astro=Ca,
            J_noise=x.current,
            SIC=jnp.where(flows, p.SIC_scale * jnp.log(jnp.where(flows, y, 1.0)), 0.0),
        )
        return new, jnp.zeros_like(Ca)
