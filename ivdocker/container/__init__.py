"""One model server in one container, from before docker run to after docker rm."""
