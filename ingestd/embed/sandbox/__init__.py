"""What a process that reads strangers' files denies itself, by way of the Linux kernel.

Each part is used where the kernel has it, and left out where it has not: `Walls` says which.
"""
