package dev.consular.spring;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.cloud.client.serviceregistry.Registration;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestClient;

/** Says who it is, after whom it calls has said the same: {@code I am sc1&&I am sc0}. */
@RestController
class Answers {

    private final RestClient client;
    private final Registration self;
    private final String callee;

    /** @param callee the service that it calls by name; none when empty */
    Answers(RestClient.Builder byServiceName, Registration self, @Value("${callee:}") String callee) {
        this.client = byServiceName.build();
        this.self = self;
        this.callee = callee;
    }

    @GetMapping("/")
    String name() {
        return afterCallee("/", "I am " + self.getServiceId());
    }

    /** Which instance it is: {@code sc0@10.10.0.2:8080}. */
    @GetMapping("/instance")
    String instance() {
        return afterCallee("/instance", self.getServiceId() + "@" + self.getHost() + ":" + self.getPort());
    }

    private String afterCallee(String path, String answer) {
        if (callee.isEmpty()) return answer;
        return client.get().uri("http://" + callee + path).retrieve().body(String.class) + "&&" + answer;
    }
}
