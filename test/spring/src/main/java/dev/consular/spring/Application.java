package dev.consular.spring;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.client.loadbalancer.LoadBalanced;
import org.springframework.context.annotation.Bean;
import org.springframework.web.client.RestClient;

/** An ordinary Spring Cloud application: it registers itself in Consul, and knows nothing of Kubernetes or Consular. */
@SpringBootApplication
public class Application {

    public static void main(String[] arguments) {
        SpringApplication.run(Application.class, arguments);
    }

    /** In the URLs of its clients, the host is the name of a service; Spring Cloud LoadBalancer makes it an instance. */
    @Bean
    @LoadBalanced
    RestClient.Builder byServiceName() {
        return RestClient.builder();
    }
}
