// SPDX-License-Identifier: MIT OR Apache-2.0
/* A network driver as a vendor ships it, cut down to what it imports: devices, an MII transceiver, a memory pool. */
#include <linux/etherdevice.h>
#include <linux/genalloc.h>
#include <linux/mii.h>
#include <linux/module.h>

struct acme_nic {
	struct mii_if_info mii;
	struct gen_pool *ring;
};

static struct net_device *acme_dev;

static int acme_mdio_read(struct net_device *dev, int phy, int reg)
{
	return 0;
}

static int acme_open(struct net_device *dev)
{
	struct acme_nic *nic = netdev_priv(dev);

	if (!mii_link_ok(&nic->mii))
		netdev_info(dev, "no link yet\n");
	return gen_pool_alloc(nic->ring, 64) ? 0 : -ENOMEM;
}

static const struct net_device_ops acme_ops = {
	.ndo_open = acme_open,
};

static int __init acme_init(void)
{
	struct acme_nic *nic;
	int err;

	acme_dev = alloc_etherdev(sizeof(*nic));
	if (!acme_dev)
		return -ENOMEM;
	nic = netdev_priv(acme_dev);
	nic->mii.dev = acme_dev;
	nic->mii.mdio_read = acme_mdio_read;
	nic->ring = gen_pool_create(6, -1);
	acme_dev->netdev_ops = &acme_ops;
	err = nic->ring ? register_netdev(acme_dev) : -ENOMEM;
	if (err) {
		if (nic->ring)
			gen_pool_destroy(nic->ring);
		free_netdev(acme_dev);
	}
	return err;
}
module_init(acme_init);

static void __exit acme_exit(void)
{
	struct acme_nic *nic = netdev_priv(acme_dev);

	unregister_netdev(acme_dev);
	gen_pool_destroy(nic->ring);
	free_netdev(acme_dev);
}
module_exit(acme_exit);

MODULE_DESCRIPTION("Example of a third-party network driver");
MODULE_LICENSE("Dual MIT/GPL");
