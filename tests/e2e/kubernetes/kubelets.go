package main

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/spf13/cobra"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// What a pod asks of the stand-in, by annotation.
const (
	// "deferred" or "infeasible": a resize is answered so instead of being done.
	resizeAnnotation = "e2e.nimbusguard.io/resize"
	// "false": the pod never gets ready.
	readyAnnotation = "e2e.nimbusguard.io/ready"
)

// kubelets stands in for the kubelets of a few nodes. Nothing runs on them: each pod that is bound to one is told to
// run and be ready, one that is being deleted is gone at once, and a resize of its containers is answered.
type kubelets struct {
	client kubernetes.Interface
	pods   cache.Indexer
	nodes  map[string]types.UID
}

func kubeletsCommand() *cobra.Command {
	var config string
	var count int
	command := &cobra.Command{
		Use:  "kubelets",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			rest, err := clientcmd.BuildConfigFromFlags("", config)
			if err != nil {
				return err
			}
			rest.UserAgent = "kubelets"
			client, err := kubernetes.NewForConfig(rest)
			if err != nil {
				return err
			}
			k := &kubelets{client: client, nodes: map[string]types.UID{}}
			return k.run(genericapiserver.SetupSignalContext(), count)
		},
	}
	command.Flags().StringVar(&config, "kubeconfig", "", "how to reach the API server")
	command.Flags().IntVar(&count, "nodes", 2, "nodes to stand in for")
	return command
}

func (k *kubelets) run(ctx context.Context, count int) error {
	for i := range count {
		if err := k.register(ctx, fmt.Sprintf("node-%d", i+1)); err != nil {
			return err
		}
	}
	factory := informers.NewSharedInformerFactory(k.client, 0)
	informer := factory.Core().V1().Pods().Informer()
	k.pods = informer.GetIndexer()
	changed := make(chan string, 10000)
	note := func(object any) {
		if key, err := cache.MetaNamespaceKeyFunc(object); err == nil {
			select {
			case changed <- key:
			default: // The next sweep sees it.
			}
		}
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    note,
		UpdateFunc: func(_, object any) { note(object) },
	}); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	fmt.Println("kubelets are ready")
	beat := time.NewTicker(5 * time.Second)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case key := <-changed:
			k.look(ctx, key)
		case <-beat.C:
			k.beat(ctx)
			for _, key := range k.pods.ListKeys() {
				k.look(ctx, key)
			}
		}
	}
}

func (k *kubelets) register(ctx context.Context, name string) error {
	room := core.ResourceList{
		core.ResourceCPU:    resource.MustParse("16"),
		core.ResourceMemory: resource.MustParse("32Gi"),
		core.ResourcePods:   resource.MustParse("110"),
	}
	node := &core.Node{
		ObjectMeta: meta.ObjectMeta{Name: name, Labels: map[string]string{core.LabelHostname: name}},
		Status:     core.NodeStatus{Capacity: room, Allocatable: room, Conditions: nodeConditions()},
	}
	made, err := k.client.CoreV1().Nodes().Create(ctx, node, meta.CreateOptions{})
	if errors.IsAlreadyExists(err) {
		made, err = k.client.CoreV1().Nodes().Get(ctx, name, meta.GetOptions{})
	}
	if err != nil {
		return err
	}
	k.nodes[name] = made.UID
	return nil
}

func nodeConditions() []core.NodeCondition {
	now := meta.Now()
	return []core.NodeCondition{{
		Type: core.NodeReady, Status: core.ConditionTrue, Reason: "KubeletReady",
		LastHeartbeatTime: now, LastTransitionTime: now,
	}}
}

// beat tells that the nodes are alive; without it the controller manager takes their pods away.
func (k *kubelets) beat(ctx context.Context) {
	leases := k.client.CoordinationV1().Leases(core.NamespaceNodeLease)
	for name, uid := range k.nodes {
		seconds, now := int32(40), meta.NewMicroTime(time.Now())
		lease, err := leases.Get(ctx, name, meta.GetOptions{})
		if errors.IsNotFound(err) {
			_, err = leases.Create(ctx, &coordination.Lease{
				ObjectMeta: meta.ObjectMeta{Name: name, OwnerReferences: []meta.OwnerReference{{
					APIVersion: "v1", Kind: "Node", Name: name, UID: uid,
				}}},
				Spec: coordination.LeaseSpec{HolderIdentity: &name, LeaseDurationSeconds: &seconds, RenewTime: &now},
			}, meta.CreateOptions{})
		} else if err == nil {
			lease.Spec.RenewTime = &now
			_, err = leases.Update(ctx, lease, meta.UpdateOptions{})
		}
		if err != nil {
			klog.Warningf("lease of %s: %v", name, err)
		}
	}
}

func (k *kubelets) look(ctx context.Context, key string) {
	object, there, err := k.pods.GetByKey(key)
	if err != nil || !there {
		return
	}
	pod := object.(*core.Pod)
	if _, ours := k.nodes[pod.Spec.NodeName]; !ours {
		return
	}
	pods := k.client.CoreV1().Pods(pod.Namespace)
	if pod.DeletionTimestamp != nil {
		now := int64(0)
		err = pods.Delete(ctx, pod.Name, meta.DeleteOptions{
			GracePeriodSeconds: &now, Preconditions: meta.NewUIDPreconditions(string(pod.UID)),
		})
	} else if pod.Status.Phase != core.PodSucceeded && pod.Status.Phase != core.PodFailed {
		told := pod.DeepCopy()
		tell(told)
		if !equality.Semantic.DeepEqual(pod.Status, told.Status) {
			_, err = pods.UpdateStatus(ctx, told, meta.UpdateOptions{})
		}
	}
	// A conflict is followed by an event, and that by the next look.
	if err != nil && !errors.IsNotFound(err) && !errors.IsConflict(err) {
		klog.Warningf("pod %s: %v", key, err)
	}
}

// tell brings the status to what a kubelet would tell of the pod's containers.
func tell(pod *core.Pod) {
	status := &pod.Status
	if status.StartTime == nil {
		now := meta.Now()
		status.StartTime = &now
	}
	status.Phase = core.PodRunning
	status.ObservedGeneration = pod.Generation
	ready := pod.Annotations[readyAnnotation] != "false"
	answer := pod.Annotations[resizeAnnotation]
	resizing := false
	before := map[string]core.ContainerStatus{}
	for _, container := range status.ContainerStatuses {
		before[container.Name] = container
	}
	status.ContainerStatuses = nil
	for _, container := range pod.Spec.Containers {
		state, known := before[container.Name]
		if !known {
			state = core.ContainerStatus{
				Name: container.Name, Image: container.Image, ImageID: container.Image,
				ContainerID: "none://" + string(pod.UID) + "/" + container.Name,
				State:       core.ContainerState{Running: &core.ContainerStateRunning{StartedAt: *status.StartTime}},
			}
		}
		state.Ready, state.Started = ready, &ready
		if known && state.Resources != nil && !equality.Semantic.DeepEqual(*state.Resources, container.Resources) {
			resizing = true
		}
		if !resizing || answer == "" {
			state.Resources = container.Resources.DeepCopy()
			state.AllocatedResources = maps.Clone(container.Resources.Requests)
		}
		status.ContainerStatuses = append(status.ContainerStatuses, state)
	}
	tellCondition(pod, core.PodInitialized, true, "")
	tellCondition(pod, core.ContainersReady, ready, "")
	tellCondition(pod, core.PodReady, ready, "")
	reasons := map[string]string{"deferred": core.PodReasonDeferred, "infeasible": core.PodReasonInfeasible}
	tellCondition(pod, core.PodResizePending, resizing && reasons[answer] != "", reasons[answer])
}

// tellCondition sets a condition; that of a resize that is not pending is taken away.
func tellCondition(pod *core.Pod, kind core.PodConditionType, holds bool, reason string) {
	status := core.ConditionFalse
	if holds {
		status = core.ConditionTrue
	}
	for i := range pod.Status.Conditions {
		condition := &pod.Status.Conditions[i]
		if condition.Type != kind {
			continue
		}
		if kind == core.PodResizePending && !holds {
			pod.Status.Conditions = append(pod.Status.Conditions[:i], pod.Status.Conditions[i+1:]...)
		} else if condition.Status != status || condition.Reason != reason {
			condition.Status, condition.Reason, condition.LastTransitionTime = status, reason, meta.Now()
		}
		return
	}
	if kind != core.PodResizePending || holds {
		pod.Status.Conditions = append(pod.Status.Conditions, core.PodCondition{
			Type: kind, Status: status, Reason: reason, LastTransitionTime: meta.Now(),
		})
	}
}
