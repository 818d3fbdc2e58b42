# the skein command
