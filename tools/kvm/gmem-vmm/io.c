// SPDX-License-Identifier: GPL-2.0-only
/* I/O ports: console, ACPI power management, reset, demonstration channel. */
#include <string.h>

#include "guest/channel.h"
#include "vmm.h"

#define PM_SCI_ENABLED	0x0001
#define PM_SLEEP_ENABLE	0x2000
#define PM_SLEEP_TYPE(v)	(((v) >> 10) & 7)
#define PORT_KEYBOARD	0x64
#define KEYBOARD_RESET	0xfe

/* Registers of the PM1 event block; no event ever comes. */
static atomic_uint pm_enable;

static bool within(__u16 port, __u16 base, unsigned int count)
{
	return port >= base && port < base + count;
}

static void port_out(struct vm *vm, __u16 port, __u32 value, size_t size)
{
	if (within(port, PORT_SERIAL, 8)) {
		serial_out(vm, port - PORT_SERIAL, value);
	} else if (port == PORT_PM_EVENT + 2) {
		pm_enable = value;
	} else if (port == PORT_PM_CONTROL && (value & PM_SLEEP_ENABLE)) {
		if (PM_SLEEP_TYPE(value) == SLEEP_TYPE_S5)
			vm_stop(vm, VMM_OFF, "guest powered off");
	} else if ((port == PORT_RESET && value == RESET_VALUE) ||
		   (port == PORT_KEYBOARD && value == KEYBOARD_RESET)) {
		vm_stop(vm, VMM_RESET, "guest asked for a reset");
	} else if (vm->opt.attack && size == 4 &&
		   within(port, CHANNEL_PORT, CHANNEL_BYTES)) {
		channel_out(vm, port - CHANNEL_PORT, value);
	}
}

static __u32 port_in(struct vm *vm, __u16 port, size_t size)
{
	if (within(port, PORT_SERIAL, 8))
		return serial_in(vm, port - PORT_SERIAL);
	if (port == PORT_PM_EVENT)
		return 0;
	if (port == PORT_PM_EVENT + 2)
		return pm_enable;
	if (port == PORT_PM_CONTROL)
		return PM_SCI_ENABLED;
	if (vm->opt.attack && size == 4 &&
	    within(port, CHANNEL_PORT, CHANNEL_BYTES))
		return channel_in(port - CHANNEL_PORT);
	return ~0U;
}

/** io_port() - one port access of a vCPU; absent ports read as ones. */
void io_port(struct vm *vm, __u16 port, bool out, void *data, size_t size)
{
	__u32 value = 0;

	if (out) {
		memcpy(&value, data, size);
		port_out(vm, port, value, size);
	} else {
		value = port_in(vm, port, size);
		memcpy(data, &value, size);
	}
}
