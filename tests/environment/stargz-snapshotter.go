// stargz-snapshotter SOCKET ROOT CONTAINERD serves what containerd-stargz-grpc of the stargz snapshotter serves: a
// snapshotter for containerd, and the image service of the CRI, which forwards each call to CONTAINERD and remembers the
// credentials of pulls. Debian packages the project's library, without this program.
package main

import (
	"context"
	"log"
	"net"
	"os"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/contrib/snapshotservice"
	"github.com/containerd/stargz-snapshotter/service"
	"github.com/containerd/stargz-snapshotter/service/keychain/cri"
	"github.com/containerd/stargz-snapshotter/service/resolver"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: stargz-snapshotter SOCKET ROOT CONTAINERD")
	}
	if err := serve(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
}

func serve(socket, root, containerd string) error {
	ctx := context.Background()
	connect := func() (runtime.ImageServiceClient, error) {
		connection, err := grpc.Dial("unix://"+containerd, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, err
		}
		return runtime.NewImageServiceClient(connection), nil
	}
	credentials, images := cri.NewCRIKeychain(ctx, connect)
	// The registry of the tests has no TLS.
	config := service.Config{}
	config.ResolverConfig.Host = map[string]resolver.HostConfig{}
	snapshotter, err := service.NewStargzSnapshotterService(ctx, root, &config, service.WithCredsFuncs(credentials))
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	runtime.RegisterImageServiceServer(server, images)
	snapshotsapi.RegisterSnapshotsServer(server, snapshotservice.FromSnapshotter(snapshotter))
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	return server.Serve(listener)
}
