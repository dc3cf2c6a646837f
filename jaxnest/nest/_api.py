"""The functions of `nest`."""

from jaxnest.nest._api_connections import Connect, Disconnect, GetConnections, TripartiteConnect
from jaxnest.nest._api_kernel import (
    Cleanup,
    DisableStructuralPlasticity,
    EnableStructuralPlasticity,
    GetKernelStatus,
    GetLocalVPs,
    NumProcesses,
    Prepare,
    Rank,
    ResetKernel,
    Run,
    RunManager,
    SetAcceptableLatency,
    SetKernelStatus,
    SetMaxBuffered,
    Simulate,
    SyncProcesses,
    get,
    set,
    set_communicator,
)
from jaxnest.nest._api_models import ConnectionRules, CopyModel, GetDefaults, Install, Models, SetDefaults
from jaxnest.nest._api_nodes import Create, GetLocalNodeCollection, GetNodes, GetStatus, PrintNodes, SetStatus
from jaxnest.nest._connect import CollocatedSynapses
from jaxnest.nest._connections import SynapseCollection
from jaxnest.nest._nodes import NodeCollection

__all__ = [
    "Cleanup", "CollocatedSynapses", "Connect", "ConnectionRules", "CopyModel", "Create", "DisableStructuralPlasticity", "Disconnect",
    "EnableStructuralPlasticity", "GetConnections", "GetDefaults", "GetKernelStatus", "GetLocalNodeCollection", "GetLocalVPs",
    "GetNodes", "GetStatus", "Install", "Models", "NodeCollection", "NumProcesses", "Prepare", "PrintNodes", "Rank", "ResetKernel",
    "Run", "RunManager", "SetAcceptableLatency", "SetDefaults", "SetKernelStatus", "SetMaxBuffered", "SetStatus", "Simulate",
    "SynapseCollection", "SyncProcesses", "TripartiteConnect", "get", "set", "set_communicator",
]  # fmt: skip
