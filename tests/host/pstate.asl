/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * P-states for the six CPUs of the test host, in the names that QEMU gives
 * them. A P-state is set by a byte to a port of the CPU's own, 0xB10 + N, and
 * a debug console of QEMU's behind it writes that byte to a file outside.
 *
 *	CPU 0, 1	a domain each
 *	CPU 2, 3	one domain, set at either (SW_ANY): one cpufreq policy
 *	CPU 4, 5	one domain, which the hardware coordinates (HW_ALL):
 *			two policies that know of each other
 *
 * The firmware's ceiling (_PPC) of all CPUs is moved by a fan, as that is a
 * device that Linux lets root set to a number: \_SB.CEIL.
 */
DefinitionBlock ("", "SSDT", 2, "FREQRG", "PSTATES", 1)
{
	External (\_SB.CPUS.C000, ProcessorObj)
	External (\_SB.CPUS.C001, ProcessorObj)
	External (\_SB.CPUS.C002, ProcessorObj)
	External (\_SB.CPUS.C003, ProcessorObj)
	External (\_SB.CPUS.C004, ProcessorObj)
	External (\_SB.CPUS.C005, ProcessorObj)

	Scope (\_SB)
	{
		Name (LIMT, 0)	/* the highest P-state that is allowed */

		/* MHz, mW, latencies of transition and bus master in us, control
		 * and status. The first is turbo: 1 MHz above the second.
		 */
		Name (PSTS, Package () {
			Package () { 2301, 50000, 10, 10, 0x17, 0x17 },
			Package () { 2300, 40000, 10, 10, 0x16, 0x16 },
			Package () { 1800, 30000, 10, 10, 0x12, 0x12 },
			Package () { 1200, 20000, 10, 10, 0x0c, 0x0c },
			Package () {  800, 10000, 10, 10, 0x08, 0x08 },
		})

		Device (CEIL)
		{
			Name (_HID, EisaId ("PNP0C0B"))
			Name (_UID, "freqring")
			Name (_FIF, Package () { 0, 0, 1, 0 })
			/* control, trip point, speed, noise, power: one a P-state */
			Name (_FPS, Package () {
				0,
				Package () { 0, 0xffffffff, 1000, 0, 0 },
				Package () { 1, 0xffffffff, 2000, 0, 0 },
				Package () { 2, 0xffffffff, 3000, 0, 0 },
				Package () { 3, 0xffffffff, 4000, 0, 0 },
				Package () { 4, 0xffffffff, 5000, 0, 0 },
			})
			Method (_FST, 0, Serialized)
			{
				Name (STAT, Package () { 0, 0, 0 })
				STAT [1] = LIMT
				STAT [2] = (LIMT + 1) * 1000
				Return (STAT)
			}
			Method (_FSL, 1, Serialized)
			{
				LIMT = Arg0
				Notify (\_SB.CPUS.C000, 0x80)
				Notify (\_SB.CPUS.C001, 0x80)
				Notify (\_SB.CPUS.C002, 0x80)
				Notify (\_SB.CPUS.C003, 0x80)
				Notify (\_SB.CPUS.C004, 0x80)
				Notify (\_SB.CPUS.C005, 0x80)
			}
		}
	}

	Scope (\_SB.CPUS.C000)
	{
		Name (_PCT, Package () {
			ResourceTemplate () { Register (SystemIO, 8, 0, 0xB10) },
			ResourceTemplate () { Register (SystemIO, 8, 0, 0xB10) },
		})
		Method (_PSS) { Return (\_SB.PSTS) }
		Method (_PPC) { Return (\_SB.LIMT) }
		Name (_PSD, Package () { Package () { 5, 0, 0, 0xfc, 1 } })
	}

	Scope (\_SB.CPUS.C001)
	{
		Name (_PCT, Package () {
			ResourceTemplate () { Register (SystemIO, 8, 0, 0xB11) },
			ResourceTemplate () { Register (SystemIO, 8, 0, 0xB11) },
		})
		Method (_PSS) { Return (\_SB.PSTS) }
		Method (_PPC) { Return (\_SB.LIMT) }
		Name (_PSD, Package () { Package () { 5, 0, 1, 0xfc, 1 } })
	}

	Scope (\_SB.CPUS.C002)
	{
		Name (_PCT, Package () {
			ResourceTemplate () { Register (SystemIO, 8, 0, 0xB12) },
			ResourceTemplate () { Register (SystemIO, 8, 0, 0xB12) },
		})
		Method (_PSS) { Return (\_SB.PSTS) }
		Method (_PPC) { Return (\_SB.LIMT) }
		Name (_PSD, Package () { Package () { 5, 0, 2, 0xfd, 2 } })
	}

	Scope (\_SB.CPUS.C003)
	{
		Name (_PCT, Package () {
			ResourceTemplate () { Register (SystemIO, 8, 0, 0xB13) },
			ResourceTemplate () { Register (SystemIO, 8, 0, 0xB13) },
		})
		Method (_PSS) { Return (\_SB.PSTS) }
		Method (_PPC) { Return (\_SB.LIMT) }
		Name (_PSD, Package () { Package () { 5, 0, 2, 0xfd, 2 } })
	}

	Scope (\_SB.CPUS.C004)
	{
		Name (_PCT, Package () {
			ResourceTemplate () { Register (SystemIO, 8, 0, 0xB14) },
			ResourceTemplate () { Register (SystemIO, 8, 0, 0xB14) },
		})
		Method (_PSS) { Return (\_SB.PSTS) }
		Method (_PPC) { Return (\_SB.LIMT) }
		Name (_PSD, Package () { Package () { 5, 0, 3, 0xfe, 2 } })
	}

	Scope (\_SB.CPUS.C005)
	{
		Name (_PCT, Package () {
			ResourceTemplate () { Register (SystemIO, 8, 0, 0xB15) },
			ResourceTemplate () { Register (SystemIO, 8, 0, 0xB15) },
		})
		Method (_PSS) { Return (\_SB.PSTS) }
		Method (_PPC) { Return (\_SB.LIMT) }
		Name (_PSD, Package () { Package () { 5, 0, 3, 0xfe, 2 } })
	}
}
