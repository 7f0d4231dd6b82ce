"""What messages of the engine and of any server mean. To teach ivdocker another one, add a line, and its message to
the test. What only one model server says stands in that server's file.

The first row that matches holds. Wordings of docker 20.10, docker 28 and podman 4.3; ``{name}`` in a message is the
pattern's group of that name.
"""

from __future__ import annotations

from ivdocker.servers.base import LogPattern, denied

_START_ENGINE = "start it (systemctl start docker), or point DOCKER_HOST at one that runs; ivdocker doctor looks closer"

BROKE_OFF = LogPattern(
    r"error waiting for container|unexpected EOF|connection reset by peer|context canceled",
    "engine-unreachable",
    "the container engine broke off in the middle of a call",
    _START_ENGINE,
)

_EXEC_FORMAT = LogPattern(
    r"exec format error",
    "platform-mismatch",
    "the image is built for another CPU architecture than the engine's machine",
    "use an image for this machine, choose one with --platform, or install emulation (binfmt)",
)

ENGINE_MESSAGES = (
    LogPattern(
        r"permission denied while trying to connect to the docker",
        "engine-permission",
        "no permission to talk to the container engine",
        "add your user to the docker group (usermod -aG docker USER, then log in again), or use a rootless engine",
    ),
    LogPattern(
        r"cannot connect to the docker daemon|failed to connect to the docker api|is the docker daemon running"
        r"|cannot connect to podman|unable to connect to podman|error during connect",
        "engine-unreachable",
        "no container engine answers",
        _START_ENGINE,
    ),
    LogPattern(
        r"client version (?P<client>\S+) is too (?P<what>old|new)",
        "engine-error",
        "the docker client's API version {client} is too {what} for this engine",
        "unset DOCKER_API_VERSION (client_api_version in a ServingSpec), or update the older of the two",
    ),
    LogPattern(
        r"toomanyrequests|too many requests|rate limit|HTTP 429",
        "registry-denied",
        "the registry's rate limit is reached",
        "wait and try again, log in for a higher limit (docker login), or pull from a mirror; an image that is already"
        " on the engine needs no pull",
    ),
    LogPattern(
        r"pull access denied|requested access to the resource is denied|unauthorized|authentication required"
        r"|no basic auth credentials|(?<!permission )denied:",
        "registry-denied",
        "the registry does not let us pull this image, or it does not exist there",
        "check the image's name; log in with docker login",
    ),
    LogPattern(
        r"invalid reference format|repository name must be lowercase|invalid repository name",
        "image-not-found",
        "this is no name of an image",
        "an image's name looks like registry.example/team/server:tag",
    ),
    LogPattern(
        r"no matching manifest for (?P<platform>\S+)|does not match the specified platform"
        r"|no match for platform",
        "platform-mismatch",
        "there is no such image for this platform",
        "choose an image built for it, or ask for another platform with --platform",
    ),
    LogPattern(
        r"manifest .*(unknown|not found)|manifest unknown|no such image|repository .* not found|not found: manifest"
        r"|image not known|name unknown|unable to find image|failed to resolve reference|tag .* not found",
        "image-not-found",
        "there is no such image",
        "check its name and tag with docker pull IMAGE",
    ),
    LogPattern(
        r"Get \"?https?://|httpReadSeeker|failed to copy|dial tcp|no such host|tls handshake timeout"
        r"|server misbehaving",
        "image-not-found",
        "the image is not on this machine, and its registry cannot be reached or broke off",
        "check the network and the image's name, or load the image with docker load",
    ),
    BROKE_OFF,
    LogPattern(
        r"container-init binary not found on the host",
        "engine-error",
        "podman lacks the program that passes signals on in a container",
        "install it (the package catatonit), or name another one, such as tini, as init_path in containers.conf",
    ),
    LogPattern(
        r"error setting rlimit",
        "engine-error",
        "the engine may not set the limits that it is told to",
        "run it with the rights to, or put default_ulimits = [] under [containers] into containers.conf",
    ),
    LogPattern(
        r"could not select device driver|nvidia-container-cli|unresolvable CDI devices",
        "gpu-unavailable",
        "the engine cannot give the container a GPU",
        "install the NVIDIA container toolkit on the engine's machine, or run without --gpus",
    ),
    LogPattern(
        r"port is already allocated|address already in use|port .* is already in use",
        "port-unavailable",
        "a port on the host is already taken",
        "find who holds it with docker ps or ss -ltnp",
    ),
    LogPattern(
        r"bind source path does not exist: (?P<path>.*)|error mounting \"(?P<mounted>[^\"]+)\""
        r"|statfs (?P<stat>.*): no such file",
        "mount-not-found",
        "the engine does not see the model's folder",
        "the path must exist on the engine's own machine: a remote engine, or one outside this container, has other"
        " files",
    ),
    LogPattern(
        r"no space left on device",
        "disk-full",
        "the disk of the container engine is full",
        "free space, for instance with docker system prune",
    ),
    _EXEC_FORMAT,
)
"""Matched, ignoring case, against what the docker call printed on stderr."""

SERVER_MESSAGES = (
    _EXEC_FORMAT,
    LogPattern(
        r"CUDA driver version is insufficient|no CUDA-capable device|libcuda\.so\.1: cannot open shared object"
        r"|CUDA_ERROR_NO_DEVICE|Found no NVIDIA driver",
        "gpu-unavailable",
        "the server needs a GPU and its driver, and the container has none",
        "run with --gpus all on a machine with a GPU and its driver, or use the image's CPU variant",
    ),
    LogPattern(
        r"address already in use|Only one usage of each socket address|Errno 98",
        "not-listening",
        "the server's port is already taken inside its container",
        "check what else the image starts, and with --network host what listens on this machine",
    ),
    LogPattern(
        r"No space left on device: .*/dev/shm|/dev/shm.*No space left on device|unable to allocate shared memory"
        r"|Bus error",
        "model-load-failed",
        "the container's shared memory (/dev/shm) is used up",
        "give it more with --shm-size 1g",
    ),
    LogPattern(
        r"no space left on device",
        "disk-full",
        "the disk of the container engine is full",
        "free space, for instance with docker system prune",
    ),
    LogPattern(
        r"error while loading shared libraries: (?P<library>[^:\s]+)",
        "container-exited",
        "the image lacks the library {library}",
        "use an image that has it, or install it there",
    ),
    denied(),
)
"""Matched, ignoring case, against the log of a server that ended and whose own log_patterns did not match."""
