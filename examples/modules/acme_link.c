// SPDX-License-Identifier: MIT OR Apache-2.0
/* A framing layer with a licence of its own: it imports two checksums that any module may use. */
#include <linux/crc-ccitt.h>
#include <linux/crc16.h>
#include <linux/module.h>

static u8 frame[64];

static int __init acme_link_init(void)
{
	pr_info("acme_link: %04x %04x\n", crc_ccitt(0xffff, frame, sizeof(frame)), crc16(0, frame, sizeof(frame)));
	return 0;
}
module_init(acme_link_init);

static void __exit acme_link_exit(void)
{
}
module_exit(acme_link_exit);

MODULE_DESCRIPTION("Example of a third-party module that is not under the GPL");
MODULE_LICENSE("Proprietary");
