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
_LOG_IN = "check the image's name; log in with docker login"
_LATER = "try again later (--tries), or load the image with docker load"
_REACH = "check the network and the image's name, or load the image with docker load"
_FOLDER = (
    "the path must exist on the machine where the engine runs; a remote engine, or one outside this container, has"
    " other files"
)
_FREE = "free space, for instance with docker system prune; docker system df shows what takes it"

BROKE_OFF = LogPattern(
    r"error waiting for container|unexpected EOF|connection reset by peer|context canceled",
    "engine-unreachable",
    "the container engine closed the connection in the middle of a call",
    _START_ENGINE,
)

_ENGINE = (
    LogPattern(
        r"permission denied while trying to connect to the docker|dial unix \S+: connect: permission denied",
        "engine-permission",
        "no permission to use the container engine",
        "add your user to the docker group (usermod -aG docker USER) and log in again, or use a rootless engine",
    ),
    LogPattern(
        r"unable to resolve docker endpoint|context \S+: context not found|context \S+ does not exist",
        "engine-unreachable",
        "docker's context does not name an engine that can be used",
        "see docker context ls, and choose one with docker context use, DOCKER_CONTEXT or DOCKER_HOST",
    ),
    LogPattern(
        r"cannot connect to the docker daemon|failed to connect to the docker api|is the docker daemon running"
        r"|cannot connect to podman|unable to connect to podman|error during connect"
        r"|request returned .{0,80} for API route",
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
)

_CONTAINER = (
    LogPattern(
        r"no space left on device|disk quota exceeded",
        "disk-full",
        "the disk of the container engine is full",
        _FREE,
    ),
    LogPattern(
        r"mounts denied:\s*the paths? (?P<path>\S+)|is not shared from the host",
        "mount-not-found",
        "Docker Desktop does not share the model's folder with its engine",
        "share the folder (Settings, Resources, File sharing), or move the model to a folder that is shared",
    ),
    LogPattern(
        r"bind source path does not exist: (?P<path>.*)|statfs (?P<stat>.*): no such file",
        "mount-not-found",
        "the engine does not see the model's folder",
        _FOLDER,
    ),
    LogPattern(
        r"statfs \S+: permission denied|error mounting \"[^\"]+\".{0,300}permission denied"
        r"|mount `[^`]+` to `[^`]+`: permission denied",
        "mount-not-found",
        "the engine is not allowed to mount the model's folder",
        "a rootless engine has your rights alone, and SELinux may deny more; choose a folder that it may read, or label"
        " it (chcon -Rt container_file_t MODEL)",
    ),
    LogPattern(
        r"error mounting \"(?P<mounted>[^\"]+)\"|mount `(?P<crun>[^`]+)` to `",
        "mount-not-found",
        "the engine cannot mount the model's folder",
        _FOLDER,
    ),
    LogPattern(
        r"container init was OOM-killed|init process .{0,40}OOM-killed",
        "out-of-memory",
        "the memory limit is too low to start any program in the container",
        "give the container more with --memory",
    ),
    LogPattern(
        r"could not select device driver|nvidia-container-(?:cli|toolkit|runtime)|unresolvable CDI devices"
        r"|invalid runtime name: nvidia",
        "gpu-unavailable",
        "the engine cannot give the container a GPU",
        "install the NVIDIA container toolkit on the engine's machine, or leave out --gpus",
    ),
    LogPattern(
        r"cannot expose privileged port (?P<port>\d+)",
        "port-unavailable",
        "a rootless engine cannot publish port {port}",
        "publish a port from 1024 on",
    ),
    LogPattern(
        r"port is already allocated|address already in use|port .{1,40} is already in use",
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
        r"address pools have been fully subnetted|could not find free subnet",
        "engine-error",
        "the engine has no address range left for another network",
        "remove networks that nobody uses: docker network prune",
    ),
    LogPattern(
        r"iptables.{0,200}(?:failed|no chain/target/match)|netavark.{0,200}(?:iptables|nftables|nft)",
        "engine-error",
        "the engine cannot set up the container's network",
        "something has changed the machine's firewall rules since the engine made its own: restart the engine",
    ),
    LogPattern(
        r"container-init binary not found on the host",
        "engine-error",
        "podman lacks the init program that forwards signals in a container",
        "install it (the package catatonit), or set init_path in containers.conf to another one, such as tini",
    ),
    LogPattern(
        r"^Error: .*(?:error setting rlimit|setrlimit)",
        "engine-error",
        "podman is not allowed to set the resource limits that it is configured to set",
        "give it that permission, or set default_ulimits = [] under [containers] in containers.conf",
    ),
    LogPattern(
        r"error setting rlimit|setrlimit",
        "engine-error",
        "the engine is not allowed to set the resource limits that it is configured to set",
        "lower default-ulimits in the engine's daemon.json to what its own service has, and restart it",
    ),
    LogPattern(
        r"controller .?(?P<controller>cpu|cpuset|memory|pids|io).? is not available",
        "engine-error",
        "the engine cannot limit the container's {controller}: it has no control of that cgroup",
        "leave out the limit, delegate the controller to your user (systemd's Delegate=), or run the engine as root",
    ),
    LogPattern(
        r"insufficient UIDs or GIDs available in user namespace",
        "engine-error",
        "the rootless engine has too few user ids for the files of this image",
        "give your user a range of 65536 in /etc/subuid and /etc/subgid, then run podman system migrate",
    ),
    LogPattern(
        r"cannot allocate memory|resource temporarily unavailable",
        "engine-error",
        "the engine's machine has no memory or no process left to start a container",
        "end other containers and programs on that machine, then try again",
    ),
    LogPattern(
        r"exec format error",
        "platform-mismatch",
        "the image is built for a CPU architecture that the engine's machine does not have",
        "use an image for this machine, choose the platform with --platform, or install emulation (binfmt)",
    ),
    LogPattern(
        r"error getting credentials|docker-credential-\w+",
        "registry-denied",
        "docker's credential helper does not work",
        "correct or remove credsStore and credHelpers in ~/.docker/config.json, then log in with docker login",
    ),
    LogPattern(
        r"exec: \"(?P<runc>[^\"]+)\": .{0,300}(?:not found|no such file)|executable file `(?P<crun>[^`]+)` not found"
        r"|exec container process [^`]{0,40}`(?P<process>[^`]+)`: no such file",
        "engine-error",
        "the image cannot be started: it has no program {runc}{crun}{process}, or lacks its interpreter or a library",
        "check the image's ENTRYPOINT and CMD (docker image inspect IMAGE), and that --server names what it holds",
    ),
)

_REGISTRY = (
    LogPattern(
        r"toomanyrequests|too many requests|rate limit|HTTP 429",
        "registry-denied",
        "the registry's rate limit is reached",
        "wait and try again, log in for a higher limit (docker login), or pull from a mirror; an image that the engine"
        " already has is not pulled",
    ),
    LogPattern(
        r"no matching manifest for (?P<platform>\S+)|does not match the specified platform"
        r"|does not provide (?:the specified|any) platform|no match for platform|no image found in .{0,60} for arch",
        "platform-mismatch",
        "the image was not found for this platform",
        "choose an image that is built for it, or another platform with --platform",
    ),
    LogPattern(
        r"x509: |certificate signed by unknown authority|certificate has expired|tls: failed to verify",
        "image-not-found",
        "the registry's certificate is not trusted",
        "give the engine the registry's CA (/etc/docker/certs.d/REGISTRY/ca.crt), and check the machine's clock",
    ),
    LogPattern(
        r"server gave HTTP response to HTTPS client",
        "image-not-found",
        "the registry speaks HTTP, and the engine trusts it only with HTTPS",
        "list the registry in insecure-registries of the engine's configuration, or give it a certificate",
    ),
    LogPattern(
        r"proxyconnect|Proxy Authentication Required",
        "image-not-found",
        "the proxy to the registry does not let the engine through",
        "correct HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the engine itself: it does not use those of your shell",
    ),
    LogPattern(
        r"(?:unexpected (?:HTTP )?status|status code|HTTP status).{0,300}\b(?P<status>50\d)\b"
        r"|\b(?P<named>50[0234]) (?:Internal Server Error|Bad Gateway|Service Unavailable|Gateway Time)",
        "registry-denied",
        "the registry is out of order ({status}{named})",
        _LATER,
    ),
    LogPattern(
        r"short-name|unqualified-search registries",
        "image-not-found",
        "podman does not know which registry this image is from",
        "write the name with its registry, such as docker.io/tensorflow/serving:2.19.0",
    ),
    LogPattern(
        r"dial tcp|no such host|tls handshake timeout|server misbehaving|i/o timeout|Client\.Timeout exceeded"
        r"|context deadline exceeded|network is unreachable|no route to host",
        "image-not-found",
        "the image is not on this machine, and its registry cannot be reached or closed the connection",
        _REACH,
    ),
    LogPattern(
        r"pull access denied|requested access to the resource is denied|unauthorized|authentication required"
        r"|no basic auth credentials|403 Forbidden|authorization token has expired|is not authorized|insufficient_scope"
        r"|(?<!permission )denied(?::|\.?\s*$)",
        "registry-denied",
        "the registry does not allow us to pull this image, or the image does not exist there",
        f"{_LOG_IN}; a login that has expired is refused where none would be needed: docker logout REGISTRY",
    ),
    LogPattern(
        r"invalid reference format|repository name must be lowercase|invalid repository name",
        "image-not-found",
        "this is not a valid image name",
        "write the name like registry.example/team/server:tag",
    ),
    LogPattern(
        r"manifest .*(unknown|not found)|manifest unknown|no such image|repository .* not found|not found: manifest"
        r"|image not known|name unknown|unable to find image|failed to resolve reference|tag .* not found",
        "image-not-found",
        "the image was not found",
        "check the image's name and tag with docker pull IMAGE",
    ),
    LogPattern(
        r"(?:Get|Head|Post) \"?https?://|httpReadSeeker|failed to copy",
        "image-not-found",
        "the image is not on this machine, and its registry cannot be reached or closed the connection",
        _REACH,
    ),
)

ENGINE_MESSAGES = (*_ENGINE, *_CONTAINER, *_REGISTRY, BROKE_OFF)
"""Searched in what a docker call wrote to stderr. Upper and lower case are the same. What is about the container comes
before what is about the image, because paths and names of programs may hold any word."""
