package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
	genericapiserver "k8s.io/apiserver/pkg/server"
)

// etcdCommand runs a store of one member, whose clients come by a Unix socket in its folder. It does not sync to the
// disk: it is to outlive restarts of the API server, not of the machine.
func etcdCommand() *cobra.Command {
	var folder string
	var port int
	command := &cobra.Command{
		Use:  "etcd",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			config := embed.NewConfig()
			config.Dir = folder + "/etcd"
			config.UnsafeNoFsync = true
			config.LogLevel = "warn"
			peer := url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}
			config.ListenPeerUrls = []url.URL{peer}
			config.AdvertisePeerUrls = []url.URL{peer}
			config.ListenClientUrls = []url.URL{{Scheme: "unix", Path: folder + "/etcd.sock"}}
			// Nobody asks for it, but it must look like a host and a port.
			config.AdvertiseClientUrls = []url.URL{{Scheme: "unix", Host: "localhost:0"}}
			config.InitialCluster = config.InitialClusterFromName(config.Name)
			server, err := embed.StartEtcd(config)
			if err != nil {
				return err
			}
			defer server.Close()
			select {
			case <-server.Server.ReadyNotify():
			case err = <-server.Err():
				return err
			}
			fmt.Println("etcd is ready")
			select {
			case <-genericapiserver.SetupSignalHandler():
				return nil
			case err = <-server.Err():
				return err
			}
		},
	}
	command.Flags().StringVar(&folder, "folder", "", "folder of the data and the socket")
	command.Flags().IntVar(&port, "peer-port", 0, "where other members would come, if there were any")
	return command
}
