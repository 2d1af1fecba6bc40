// SPDX-License-Identifier: GPL-2.0-only
/* A 16550 on COM1, with as much of it as Linux's 8250 driver looks at. */
#include <linux/serial_reg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "vmm.h"

#define RX_SIZE		256
#define ESCAPE		0x01	/* Ctrl-A, as with QEMU */

/* All fields guarded by @lock. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t room;	/* the guest may want input */
	__u8 ier, fcr, lcr, mcr, scr, dll, dlm;
	bool thr_pending;	/* transmitter empty, not yet reported */
	bool line;		/* level of the interrupt line */
	__u8 rx[RX_SIZE];
	unsigned int rx_head, rx_count;
	bool unbuffered;
} uart = { .lock = PTHREAD_MUTEX_INITIALIZER,
	   .room = PTHREAD_COND_INITIALIZER };

static struct termios saved_terminal;

static __u8 pending(void)
{
	if ((uart.ier & UART_IER_RDI) && uart.rx_count)
		return UART_IIR_RDI;
	if ((uart.ier & UART_IER_THRI) && uart.thr_pending)
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

/* uart.lock held. */
static void update_line(struct vm *vm)
{
	/* On a PC, OUT2 connects the interrupt line. */
	bool line = (uart.mcr & UART_MCR_OUT2) &&
		    pending() != UART_IIR_NO_INT;
	struct kvm_irq_level irq = { .irq = IRQ_SERIAL, .level = line };

	if (line == uart.line)
		return;
	uart.line = line;
	if (ioctl(vm->fd, KVM_IRQ_LINE, &irq))
		perror("gmem-vmm: KVM_IRQ_LINE");
}

static void transmit(__u8 value)
{
	if (uart.mcr & UART_MCR_LOOP)
		return;
	putchar_unlocked(value);
	if (uart.unbuffered || value == '\n')
		fflush(stdout);
	uart.thr_pending = true;
}

static void set_ier(__u8 value)
{
	/* The transmitter is always empty: enabling its interrupt raises it. */
	if (value & ~uart.ier & UART_IER_THRI)
		uart.thr_pending = true;
	uart.ier = value & 0x0f;
	pthread_cond_signal(&uart.room);
}

/** serial_out() - write a register. */
void serial_out(struct vm *vm, unsigned int reg, __u8 value)
{
	bool divisor;

	pthread_mutex_lock(&uart.lock);
	divisor = uart.lcr & UART_LCR_DLAB;
	switch (reg) {
	case UART_TX:
		if (divisor)
			uart.dll = value;
		else
			transmit(value);
		break;
	case UART_IER:
		if (divisor)
			uart.dlm = value;
		else
			set_ier(value);
		break;
	case UART_FCR:
		uart.fcr = value;
		if (value & UART_FCR_CLEAR_RCVR)
			uart.rx_count = 0;
		break;
	case UART_LCR:
		uart.lcr = value;
		break;
	case UART_MCR:
		uart.mcr = value & 0x1f;
		pthread_cond_signal(&uart.room);
		break;
	case UART_SCR:
		uart.scr = value;
		break;
	}
	update_line(vm);
	pthread_mutex_unlock(&uart.lock);
}

static __u8 receive(void)
{
	__u8 value;

	if (!uart.rx_count)
		return 0;
	value = uart.rx[uart.rx_head];
	uart.rx_head = (uart.rx_head + 1) % RX_SIZE;
	uart.rx_count--;
	pthread_cond_signal(&uart.room);
	return value;
}

static __u8 read_iir(void)
{
	__u8 iir = pending();

	if (iir == UART_IIR_THRI)
		uart.thr_pending = false;
	return iir | (uart.fcr & UART_FCR_ENABLE_FIFO ? 0xc0 : 0);
}

/* In loopback the modem control lines come back as the status lines. */
static __u8 read_msr(void)
{
	__u8 mcr = uart.mcr;

	if (!(mcr & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	return (mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
	       (mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
	       (mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
	       (mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0);
}

static __u8 read_register(unsigned int reg)
{
	bool divisor = uart.lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_RX:
		return divisor ? uart.dll : receive();
	case UART_IER:
		return divisor ? uart.dlm : uart.ier;
	case UART_IIR:
		return read_iir();
	case UART_LCR:
		return uart.lcr;
	case UART_MCR:
		return uart.mcr;
	case UART_LSR:
		return UART_LSR_TEMT | UART_LSR_THRE |
		       (uart.rx_count ? UART_LSR_DR : 0);
	case UART_MSR:
		return read_msr();
	default:
		return uart.scr;
	}
}

/** serial_in() - read a register. */
__u8 serial_in(struct vm *vm, unsigned int reg)
{
	__u8 value;

	pthread_mutex_lock(&uart.lock);
	value = read_register(reg);
	update_line(vm);
	pthread_mutex_unlock(&uart.lock);
	return value;
}

/** serial_flush() - bring out what the guest wrote without a newline. */
void serial_flush(void)
{
	fflush(stdout);
}

/* A driver that merely probes enables the interrupt, but not OUT2. */
static bool listening(void)
{
	return (uart.ier & UART_IER_RDI) && (uart.mcr & UART_MCR_OUT2);
}

/*
 * Wait until the guest listens and there is room: a driver clears the buffer
 * when it starts, and input that is piped in comes long before that.
 */
static void push(struct vm *vm, __u8 value)
{
	pthread_mutex_lock(&uart.lock);
	while (!listening() || uart.rx_count == RX_SIZE)
		pthread_cond_wait(&uart.room, &uart.lock);
	uart.rx[(uart.rx_head + uart.rx_count++) % RX_SIZE] = value;
	update_line(vm);
	pthread_mutex_unlock(&uart.lock);
}

static void *input_thread(void *arg)
{
	struct vm *vm = arg;
	bool escape = false;
	__u8 c;

	while (read(STDIN_FILENO, &c, 1) == 1) {
		if (escape && c == 'x')
			vm_stop(vm, VMM_CRASH, "stopped from the terminal");
		escape = !escape && uart.unbuffered && c == ESCAPE;
		if (!escape)
			push(vm, c);
	}
	return NULL;
}

static void restore_terminal(void)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &saved_terminal);
}

/** serial_start() - begin to read the console's input. */
void serial_start(struct vm *vm)
{
	struct termios raw;
	pthread_t thread;

	if (isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &saved_terminal)) {
		raw = saved_terminal;
		cfmakeraw(&raw);
		raw.c_oflag = saved_terminal.c_oflag;
		atexit(restore_terminal);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
		uart.unbuffered = true;
	}
	if (!pthread_create(&thread, NULL, input_thread, vm))
		pthread_detach(thread);
}
