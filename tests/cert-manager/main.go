// cert-manager's four programs in one, by the name that it is called by: a main of our own over cert-manager's controllers, which takes the arguments that
// kubestead's manifests give. The official images have upstream's own.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	admissionreg "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	apireg "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/cert-manager/cert-manager/internal/webhook"
	"github.com/cert-manager/cert-manager/pkg/api"
	"github.com/cert-manager/cert-manager/pkg/controller"
	_ "github.com/cert-manager/cert-manager/pkg/controller/acmechallenges"
	_ "github.com/cert-manager/cert-manager/pkg/controller/acmeorders"
	"github.com/cert-manager/cert-manager/pkg/controller/cainjector"
	gateways "github.com/cert-manager/cert-manager/pkg/controller/certificate-shim/gateways"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/acme"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/acme"
	"github.com/cert-manager/cert-manager/pkg/issuer/acme/http/solver"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/webhook/options"
)

// How often each controller may work on something at once.
const workers = 5

func main() {
	logf.InitLogs()
	programs := map[string]func(context.Context) error{
		"controller": runController, "webhook": runWebhook, "cainjector": runInjector, "acmesolver": runSolver,
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	name := filepath.Base(os.Args[0])
	run, known := programs[name]
	if !known {
		fail(name, fmt.Errorf("it is none of controller, webhook, cainjector, acmesolver"))
	}
	if err := run(ctx); err != nil {
		fail(name, err)
	}
}

func fail(name string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	os.Exit(1)
}

// Flags that are upstream's too; any other is a mistake of the manifests.
func flags() *pflag.FlagSet {
	set := pflag.NewFlagSet(os.Args[0], pflag.ExitOnError)
	set.Int("v", 0, "")
	return set
}

func runController(ctx context.Context) error {
	set := flags()
	namespace := set.String("leader-election-namespace", "kube-system", "")
	resources := set.String("cluster-resource-namespace", "kube-system", "")
	image := set.String("acme-http01-solver-image", "", "")
	nameservers := set.StringSlice("dns01-recursive-nameservers", nil, "")
	only := set.Bool("dns01-recursive-nameservers-only", false, "")
	gateway := set.Bool("enable-gateway-api", false, "")
	_ = set.Parse(os.Args[1:])
	quantity := resource.MustParse
	factory, err := controller.NewContextFactory(ctx, controller.ContextOptions{
		KubernetesAPIQPS: 20, KubernetesAPIBurst: 50,
		IssuerOptions: controller.IssuerOptions{ClusterResourceNamespace: *resources},
		ACMEOptions: controller.ACMEOptions{
			HTTP01SolverImage: *image, ACMEHTTP01SolverRunAsNonRoot: true,
			HTTP01SolverResourceRequestCPU: quantity("10m"), HTTP01SolverResourceRequestMemory: quantity("64Mi"),
			HTTP01SolverResourceLimitsCPU: quantity("100m"), HTTP01SolverResourceLimitsMemory: quantity("64Mi"),
			DNS01CheckAuthoritative: !*only, DNS01Nameservers: *nameservers, DNS01CheckRetryPeriod: 10 * time.Second,
		},
		IngressShimOptions: controller.IngressShimOptions{
			DefaultIssuerKind: "Issuer", DefaultIssuerGroup: "cert-manager.io", DefaultAutoCertificateAnnotations: []string{"kubernetes.io/tls-acme"},
		},
		CertificateOptions: controller.CertificateOptions{
			CopiedAnnotationPrefixes:                 []string{"*", "-kubectl.kubernetes.io/"},
			CertificateRequestMinimumBackoffDuration: time.Hour, CertificateRequestMaximumBackoffDuration: 32 * time.Hour,
		},
		SchedulerOptions: controller.SchedulerOptions{MaxConcurrentChallenges: 60},
		ConfigOptions:    controller.ConfigOptions{EnableGatewayAPI: *gateway},
	})
	if err != nil {
		return err
	}
	go func() {
		mux := http.NewServeMux()
		mux.HandleFunc("/livez", func(answer http.ResponseWriter, _ *http.Request) { answer.WriteHeader(http.StatusOK) })
		fail("controller", http.ListenAndServe(":9403", mux))
	}()
	return led(ctx, factory, *namespace, func(ctx context.Context) error { return control(ctx, factory, *gateway) })
}

// Runs something while nobody else does.
func led(ctx context.Context, factory *controller.ContextFactory, namespace string, run func(context.Context) error) error {
	base, err := factory.Build("leader-election")
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, namespace, "cert-manager-controller", base.Client.CoreV1(), base.Client.CoordinationV1(),
		resourcelock.ResourceLockConfig{Identity: host, EventRecorder: base.Recorder})
	if err != nil {
		return err
	}
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: time.Minute, RenewDeadline: 40 * time.Second, RetryPeriod: 15 * time.Second, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) {
				if err := run(ctx); err != nil {
					fail("controller", err)
				}
			},
			OnStoppedLeading: func() {},
		},
	})
	return nil
}

func control(ctx context.Context, factory *controller.ContextFactory, gateway bool) error {
	var loops []controller.Interface
	for name, make := range controller.Known() {
		if name == gateways.ControllerName && !gateway {
			continue
		}
		loop, err := make(factory)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		loops = append(loops, loop)
	}
	all, err := factory.Build()
	if err != nil {
		return err
	}
	all.SharedInformerFactory.Start(ctx.Done())
	all.KubeSharedInformerFactory.Start(ctx.Done())
	if gateway {
		all.GWShared.Start(ctx.Done())
	}
	all.HTTP01ResourceMetadataInformersFactory.Start(ctx.Done())
	ended := make(chan error)
	for _, loop := range loops {
		go func() { ended <- loop.Run(workers, ctx) }()
	}
	for range loops {
		if err := <-ended; err != nil {
			return err
		}
	}
	return nil
}

func runWebhook(ctx context.Context) error {
	set := pflag.NewFlagSet(os.Args[0], pflag.ExitOnError)
	config, err := options.NewWebhookConfiguration()
	if err != nil {
		return err
	}
	options.AddConfigFlags(set, config)
	_ = set.Parse(os.Args[1:])
	if err := logf.ValidateAndApply(&config.Logging); err != nil {
		return err
	}
	server, err := webhook.NewCertManagerWebhookServer(logf.Log, *config)
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

func runInjector(ctx context.Context) error {
	set := flags()
	namespace := set.String("leader-election-namespace", "kube-system", "")
	only := set.String("namespace", "", "")
	certificates := set.Bool("enable-certificates-data-source", true, "")
	services := set.Bool("enable-apiservices-injectable", true, "")
	definitions := set.Bool("enable-customresourcedefinitions-injectable", true, "")
	mutating := set.Bool("enable-mutatingwebhookconfigurations-injectable", true, "")
	validating := set.Bool("enable-validatingwebhookconfigurations-injectable", true, "")
	_ = set.Parse(os.Args[1:])
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, admissionreg.AddToScheme, apiext.AddToScheme, apireg.AddToScheme, api.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	ctrl.SetLogger(logf.Log)
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	// It becomes the field manager of what is applied.
	config.UserAgent = "cert-manager-cainjector"
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme, LeaderElection: true, LeaderElectionNamespace: *namespace, LeaderElectionID: "cert-manager-cainjector-leader-election",
		LeaderElectionReleaseOnCancel: true, Metrics: metricsserver.Options{BindAddress: "0"}, Cache: watched(*only),
		// Of Secrets the names are watched, and what is in one is read when it is needed.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	})
	if err != nil {
		return err
	}
	setup := cainjector.SetupOptions{Namespace: *only, EnableCertificatesDataSource: *certificates, EnabledReconcilersFor: map[string]bool{
		cainjector.APIServiceName: *services, cainjector.CustomResourceDefinitionName: *definitions,
		cainjector.MutatingWebhookConfigurationName: *mutating, cainjector.ValidatingWebhookConfigurationName: *validating,
	}}
	if err := cainjector.RegisterAllInjectors(ctx, manager, setup); err != nil {
		return err
	}
	return manager.Start(ctx)
}

// What is watched: everything, or what is in one namespace.
func watched(namespace string) cache.Options {
	if namespace == "" {
		return cache.Options{}
	}
	return cache.Options{DefaultNamespaces: map[string]cache.Config{namespace: {}}}
}

func runSolver(ctx context.Context) error {
	set := flags()
	answer := &solver.HTTP01Solver{}
	set.IntVar(&answer.ListenPort, "listen-port", 8089, "")
	set.StringVar(&answer.Domain, "domain", "", "")
	set.StringVar(&answer.Token, "token", "", "")
	set.StringVar(&answer.Key, "key", "", "")
	_ = set.Parse(os.Args[1:])
	go func() {
		<-ctx.Done()
		_ = answer.Shutdown(context.Background())
	}()
	if err := answer.Listen(logf.Log); err != http.ErrServerClosed {
		return err
	}
	return nil
}
