"""What the messages of the engine mean.

To add a message, add a row here and a sample of the message to the test. The first row that matches is used. ``{name}``
in a message stands for the pattern's group of that name. The patterns are the wordings of docker 20.10, 28 and 29, with
and without containerd's image store, of podman 4.3 and later, and of runc and crun.
"""

from __future__ import annotations

from ivdocker.servers.base import LogPattern

_START_ENGINE = (
    "start it (systemctl start docker), or set DOCKER_HOST to an engine that runs; 'ivdocker doctor' shows more"
)

BROKE_OFF = LogPattern(
    r"error waiting for container|unexpected EOF|connection reset by peer|context canceled",
    "engine-unreachable",
    "the container engine closed the connection in the middle of a call",
    _START_ENGINE,
)

_EXEC_FORMAT = LogPattern(
    r"exec format error",
    "platform-mismatch",
    "the image is built for a CPU architecture that the engine's machine does not have",
    "use an image for this machine, choose the platform with --platform, or install emulation (binfmt)",
)

ENGINE_MESSAGES = (
    LogPattern(
        r"permission denied while trying to connect to the docker",
        "engine-permission",
        "no permission to use the container engine",
        "add your user to the docker group (usermod -aG docker USER) and log in again, or use a rootless engine",
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
        "unset DOCKER_API_VERSION (client_api_version in a ServingSpec), or update the older one of client and engine",
    ),
    LogPattern(
        r"toomanyrequests|too many requests|rate limit|HTTP 429",
        "registry-denied",
        "the registry's rate limit is reached",
        "wait and try again, log in for a higher limit (docker login), or pull from a mirror; an image that the engine"
        " already has is not pulled",
    ),
    LogPattern(
        r"pull access denied|requested access to the resource is denied|unauthorized|authentication required"
        r"|no basic auth credentials|(?<!permission )denied:",
        "registry-denied",
        "the registry does not allow us to pull this image, or the image does not exist there",
        "check the image's name; log in with docker login",
    ),
    LogPattern(
        r"invalid reference format|repository name must be lowercase|invalid repository name",
        "image-not-found",
        "this is not a valid image name",
        "write the name like registry.example/team/server:tag",
    ),
    LogPattern(
        r"no matching manifest for (?P<platform>\S+)|does not match the specified platform"
        r"|no match for platform",
        "platform-mismatch",
        "the image was not found for this platform",
        "choose an image that is built for it, or another platform with --platform",
    ),
    LogPattern(
        r"manifest .*(unknown|not found)|manifest unknown|no such image|repository .* not found|not found: manifest"
        r"|image not known|name unknown|unable to find image|failed to resolve reference|tag .* not found",
        "image-not-found",
        "the image was not found",
        "check the image's name and tag with docker pull IMAGE",
    ),
    LogPattern(
        r"Get \"?https?://|httpReadSeeker|failed to copy|dial tcp|no such host|tls handshake timeout"
        r"|server misbehaving",
        "image-not-found",
        "the image is not on this machine, and its registry cannot be reached or closed the connection",
        "check the network and the image's name, or load the image with docker load",
    ),
    BROKE_OFF,
    LogPattern(
        r"container-init binary not found on the host",
        "engine-error",
        "podman lacks the init program that forwards signals in a container",
        "install it (the package catatonit), or set init_path in containers.conf to another one, such as tini",
    ),
    LogPattern(
        r"error setting rlimit",
        "engine-error",
        "the engine is not allowed to set the resource limits that it is configured to set",
        "give the engine that permission, or set default_ulimits = [] under [containers] in containers.conf",
    ),
    LogPattern(
        r"could not select device driver|nvidia-container-cli|unresolvable CDI devices",
        "gpu-unavailable",
        "the engine cannot give the container a GPU",
        "install the NVIDIA container toolkit on the engine's machine, or leave out --gpus",
    ),
    LogPattern(
        r"port is already allocated|address already in use|port .* is already in use",
        "port-unavailable",
        "a port on the host is already taken by another process",
        "find the process that uses it with docker ps or ss -ltnp",
    ),
    LogPattern(
        r"listen \w+ (?P<address>\S+):\d+: bind: cannot assign requested address",
        "port-unavailable",
        "the engine's machine does not have the address {address}, on which the ports should be published",
        "write an address of that machine into the ServingSpec: local_docker.host_ip_address",
    ),
    LogPattern(
        r"bind source path does not exist: (?P<path>.*)|error mounting \"(?P<mounted>[^\"]+)\""
        r"|statfs (?P<stat>.*): no such file",
        "mount-not-found",
        "the engine does not see the model's folder",
        "the path must exist on the machine where the engine runs; a remote engine, or one outside this container, has"
        " other files",
    ),
    LogPattern(
        r"no space left on device",
        "disk-full",
        "the disk of the container engine is full",
        "free space, for instance with docker system prune",
    ),
    _EXEC_FORMAT,
)
"""Searched in what a docker call wrote to stderr. Upper and lower case are the same."""
